/**
 * Reads the protocol buffers wire format from untrusted bytes. Knows nothing of pprof.
 *
 * Every read is checked against the end of its message, so a damaged file gives an error and never a wrong value from beyond it.
 */

/** What is wrong with the bytes. The caller adds whose bytes they are. */
export class WireError extends Error {}

/** Wire types of the format; groups (3 and 4) are long out of use. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Walks the fields of one message, which is a range of a buffer. */
export class MessageReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  /** Number of the current field. */
  field = 0;
  #wireType = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Goes to the next field; its value must then be read or skipped. @returns false at the end of the message */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const key = this.#varint();
    if (typeof key === 'bigint' || key > 0xffff_ffff) throw new WireError('a field number is too large');
    this.field = Math.floor(key / 8);
    this.#wireType = key % 8;
    if (this.field === 0) throw new WireError('a field has the number 0');
    return true;
  }

  /** An unsigned integer: a number up to 2^53 - 1, a bigint beyond, so that ids stay exact. */
  unsigned(): number | bigint {
    this.#expect(VARINT);
    return this.#varint();
  }

  /** A signed 64-bit integer as the nearest number. */
  signed(): number {
    return toSigned(this.unsigned());
  }

  /** A signed 64-bit integer, exact: a number as long as numbers are, a bigint beyond. */
  signedExact(): number | bigint {
    return toSignedExact(this.unsigned());
  }

  /** An index or a small count. */
  index(): number {
    const value = this.unsigned();
    if (typeof value === 'bigint') throw new WireError('an index is too large');
    return value;
  }

  /** The range of a nested message, a string or a packed list. */
  range(): [start: number, end: number] {
    this.#expect(LENGTH_DELIMITED);
    return this.#lengthDelimited();
  }

  /** Nested message. */
  message(): MessageReader {
    const [start, end] = this.range();
    return new MessageReader(this.#bytes, start, end);
  }

  /** Text; bytes that are no UTF-8 become replacement characters. */
  string(): string {
    const [start, end] = this.range();
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start).toString('utf8');
  }

  /** The same with one character per byte: exact for whatever encoding the writer used, and comparable. */
  byteString(): string {
    const [start, end] = this.range();
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start).toString('latin1');
  }

  /** Adds the integers of a repeated field to a list, whether the writer packed them or not. */
  repeated(into: (number | bigint)[]): void {
    if (this.#wireType === VARINT) {
      into.push(this.#varint());
      return;
    }
    const [start, end] = this.range();
    const list = new MessageReader(this.#bytes, start, end);
    while (list.#at < end) into.push(list.#varint());
  }

  /** Goes past the value of a field that nobody asked for. */
  skip(): void {
    switch (this.#wireType) {
      case VARINT:
        this.#varint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case LENGTH_DELIMITED:
        this.#lengthDelimited();
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        throw new WireError(`field ${this.field} has the unknown wire type ${this.#wireType}`);
    }
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw new WireError(`field ${this.field} has wire type ${this.#wireType} instead of ${wireType}`);
  }

  #lengthDelimited(): [start: number, end: number] {
    const length = this.#varint();
    const start = this.#at;
    if (typeof length === 'bigint' || length > this.#end - start) throw new WireError('it is truncated');
    this.#at = start + length;
    return [start, this.#at];
  }

  #advance(count: number): void {
    if (count > this.#end - this.#at) throw new WireError('it is truncated');
    this.#at += count;
  }

  #varint(): number | bigint {
    let value = 0;
    let factor = 1;
    // Seven bytes are 49 bits, exact in a number.
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    let large = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      large += BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (large >> 64n !== 0n) throw new WireError('an integer has more than 64 bits');
        return large <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(large) : large;
      }
    }
    throw new WireError('an integer has more than 64 bits');
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new WireError('it is truncated');
    return this.#bytes[this.#at++] ?? 0;
  }
}

/** Reads an unsigned 64-bit integer as the signed one with the same bits. */
export function toSigned(value: number | bigint): number {
  return typeof value === 'bigint' ? Number(BigInt.asIntN(64, value)) : value;
}

/** The same, exact. */
export function toSignedExact(value: number | bigint): number | bigint {
  return typeof value === 'bigint' ? smallest(BigInt.asIntN(64, value)) : value;
}

/** A number where that is exact, so that equal integers compare equal. */
export function smallest(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
