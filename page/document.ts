/**
 * Reads what lib/flame/document.ts has written into the page.
 */
import type { DocumentHeader } from '../lib/flame/document-header.js';

/** One profile, or two that are compared, as columns. Nodes are in the order of a depth-first walk; node 0 is the root. */
export interface ProfileDocument extends DocumentHeader {
  names: string[];
  files: string[];
  lines: Int32Array;
  /** Index into `categories` of each function. */
  category: Uint8Array;
  parent: Int32Array;
  fn: Int32Array;
  /** The first node behind each node's descendants. */
  end: Int32Array;
  /** For each value, and then for each value of the base: what ends in each node. */
  columns: Float64Array[];
}

/** @param base64 gzipped, from the page's data element */
export async function readDocument(base64: string): Promise<ProfileDocument> {
  const bytes = await gunzip(base64);
  const headerEnd = 4 + new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, headerEnd))) as DocumentHeader;
  const reader = new ColumnReader(bytes, headerEnd);
  const { functionCount, nodeCount, strings } = header;
  const text = (): string => strings[reader.unsigned()] ?? '';
  const names = Array.from({ length: functionCount }, text);
  const files = Array.from({ length: functionCount }, text);
  const lines = Int32Array.from({ length: functionCount }, () => reader.unsigned());
  const category = Uint8Array.from({ length: functionCount }, () => reader.unsigned());
  const { parent, end } = readShape(reader, nodeCount);
  const fn = new Int32Array(nodeCount).fill(-1);
  for (let node = 1; node < nodeCount; node++) fn[node] = reader.unsigned();
  const columns = Array.from({ length: header.values.length * (header.base === undefined ? 1 : 2) }, () => {
    const column = new Float64Array(nodeCount);
    for (let node = 0; node < nodeCount; node++) column[node] = reader.signed();
    return column;
  });
  return { ...header, names, files, lines, category, parent, fn, end, columns };
}

/** Undoes gzip and base64. */
export async function gunzip(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const text = atob(base64.trim());
  const packed = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) packed[at] = text.charCodeAt(at);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Each node says how much deeper it lies than the one before it. */
function readShape(reader: ColumnReader, nodeCount: number): { parent: Int32Array; end: Int32Array } {
  const parent = new Int32Array(nodeCount).fill(-1);
  const end = new Int32Array(nodeCount).fill(nodeCount);
  const path = [0];
  for (let node = 1; node < nodeCount; node++) {
    const depth = path.length - 1 + reader.signed();
    while (path.length > depth) end[path.pop()!] = node;
    parent[node] = path[depth - 1]!;
    path.push(node);
  }
  return { parent, end };
}

/** The other half of lib/flame/column-writer.ts. */
class ColumnReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  unsigned(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error('the data in this page is cut off');
      if (byte < 128) return value + byte * scale;
      value += (byte - 128) * scale;
      scale *= 128;
    }
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
