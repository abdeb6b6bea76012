/**
 * Columns of integers as bytes, small ones in few: the page's data. page/document.ts reads them.
 */

/** Appends integers. */
export class ColumnWriter {
  #bytes = new Uint8Array(65_536);
  #length = 0;

  /** A whole number from 0, seven bits a byte, low ones first. Beyond 2^53 it is as exact as a number is. */
  unsigned(value: number): void {
    if (this.#length + 12 > this.#bytes.length) this.#grow();
    let rest = value;
    while (rest >= 128) {
      const high = Math.floor(rest / 128);
      this.#bytes[this.#length++] = rest - high * 128 + 128;
      rest = high;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A whole number of either sign: the lowest bit is the sign. */
  signed(value: number): void {
    this.unsigned(value < 0 ? -value * 2 - 1 : value * 2);
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
