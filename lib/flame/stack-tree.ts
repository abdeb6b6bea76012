/**
 * All stacks of a page as one tree: a node is a function called along one path. A node's values are those of the samples that end in it.
 */
import { PronghornError } from '../errors.js';

/** Most nodes: a page beyond it takes a browser's memory. */
const MAX_NODES = 4_000_000;
/** Deepest stack that is kept whole; ours have 1,024 frames at most. */
export const MAX_DEPTH = 2048;

const EMPTY = -1;

/** Grows while samples are added; node 0 is the root, and a node's number is larger than its parent's. */
export class StackTree {
  /** Nodes, the root included. */
  count = 1;
  parent = new Int32Array(1024);
  /** Function of each node. */
  fn = new Int32Array(1024);
  /** One for each value: what ends in each node. */
  readonly columns: Float64Array[];
  /** Open addressing by parent and function: the nodes, in a table that is at most half full. */
  #table = new Int32Array(2048).fill(EMPTY);

  constructor(columnCount: number) {
    this.columns = Array.from({ length: columnCount }, () => new Float64Array(1024));
    this.fn[0] = -1;
    this.parent[0] = -1;
  }

  /** @returns the node of a function called from another */
  child(parent: number, fn: number): number {
    const mask = this.#table.length - 1;
    let slot = hash(parent, fn) & mask;
    for (;;) {
      const node = this.#table[slot]!;
      if (node === EMPTY) break;
      if (this.parent[node] === parent && this.fn[node] === fn) return node;
      slot = (slot + 1) & mask;
    }
    if (this.count === MAX_NODES) {
      throw new PronghornError('ERR_PRONGHORN_INVALID_PROFILE', `there are more than ${MAX_NODES} different paths of calls, too many for a page; take fewer files`);
    }
    if (this.count === this.fn.length) this.#grow();
    const node = this.count++;
    this.parent[node] = parent;
    this.fn[node] = fn;
    this.#table[slot] = node;
    if (this.count * 2 > this.#table.length) this.#rehash();
    return node;
  }

  /**
   * The nodes in the order in which a depth-first walk finds them, root first.
   *
   * @returns the nodes, and the depth of each
   */
  preorder(): { order: Int32Array; depth: Int32Array } {
    const firstChild = new Int32Array(this.count).fill(EMPTY);
    const sibling = new Int32Array(this.count).fill(EMPTY);
    for (let node = this.count - 1; node > 0; node--) {
      const parent = this.parent[node]!;
      sibling[node] = firstChild[parent]!;
      firstChild[parent] = node;
    }
    const order = new Int32Array(this.count);
    const depth = new Int32Array(this.count);
    let at = 0;
    let node = 0;
    let level = 0;
    for (;;) {
      order[at] = node;
      depth[at++] = level;
      if (firstChild[node] !== EMPTY) {
        node = firstChild[node]!;
        level += 1;
        continue;
      }
      while (node !== 0 && sibling[node] === EMPTY) {
        node = this.parent[node]!;
        level -= 1;
      }
      if (node === 0) return { order, depth };
      node = sibling[node]!;
    }
  }

  #grow(): void {
    const length = this.fn.length * 2;
    const larger = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const array = new Int32Array(length);
      array.set(old);
      return array;
    };
    this.parent = larger(this.parent);
    this.fn = larger(this.fn);
    for (const [index, old] of this.columns.entries()) {
      const array = new Float64Array(length);
      array.set(old);
      this.columns[index] = array;
    }
  }

  #rehash(): void {
    const table = new Int32Array(this.#table.length * 2).fill(EMPTY);
    const mask = table.length - 1;
    for (let node = 1; node < this.count; node++) {
      let slot = hash(this.parent[node]!, this.fn[node]!) & mask;
      while (table[slot] !== EMPTY) slot = (slot + 1) & mask;
      table[slot] = node;
    }
    this.#table = table;
  }
}

function hash(parent: number, fn: number): number {
  const mixed = Math.imul(parent, 0x9e3779b1) ^ Math.imul(fn + 1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
