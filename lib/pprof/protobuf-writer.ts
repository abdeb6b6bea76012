/**
 * Writes the protocol buffers wire format. Knows nothing of pprof.
 *
 * A message grows in one buffer that is reused after `clear()`: a profile has a hundred thousand small messages, and none of them is worth
 * an allocation of its own.
 */

const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** Ten groups of seven bits hold 64. */
const LONGEST_VARINT = 10;

/** One message under construction. */
export class MessageWriter {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  /** What has been written; a view that the next write invalidates. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Begins a new message in the same buffer. */
  clear(): void {
    this.#length = 0;
  }

  /** An integer, signed or not; zero is the default of every field and is left out. */
  integer(field: number, value: number | bigint): void {
    if (value === 0 || value === 0n) return;
    this.#key(field, VARINT);
    this.#varint(value);
  }

  /** A repeated field of integers, packed; an empty one is left out. */
  packed(field: number, values: readonly (number | bigint)[]): void {
    if (values.length === 0) return;
    let size = 0;
    for (const value of values) size += varintSize(value);
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(size);
    for (const value of values) this.#varint(value);
  }

  /** A nested message. */
  message(field: number, message: MessageWriter): void {
    const { bytes } = message;
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A string with one character per byte, as `MessageReader.byteString` gives it. An empty one is written too: its place counts. */
  byteString(field: number, text: string): void {
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(text.length);
    this.#reserve(text.length);
    this.#bytes.write(text, this.#length, 'latin1');
    this.#length += text.length;
  }

  #key(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number | bigint): void {
    this.#reserve(LONGEST_VARINT);
    if (typeof value === 'bigint' || value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest >= 0x80n; rest >>= 7n) this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      this.#bytes[this.#length++] = Number(rest);
      return;
    }
    let rest = value;
    // Division, since bitwise operators stop at 32 bits.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

function varintSize(value: number | bigint): number {
  if (typeof value === 'bigint' || value < 0) {
    const bits = BigInt.asUintN(64, BigInt(value)).toString(2).length;
    return Math.ceil(bits / 7);
  }
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}
