/**
 * Finds the native half on disk, and looks whether it is whole before anything loads it.
 *
 * The loader of glibc maps a file without comparing sizes: one that an interrupted installation has cut short kills the process with SIGBUS
 * (measured: cut to 10, 30, 50 and 70%), which no `try` catches.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The parts of an ELF header that are needed here, by their offsets in a 64-bit file. */
const HEADER_BYTES = 64;
const SECTION_TABLE_OFFSET = 0x28;
const SECTION_ENTRY_SIZE = 0x3a;
const SECTION_COUNT = 0x3c;

/**
 * Where the native half lies: in a checkout at its root, in an installation in the package of this platform.
 *
 * @param name platform and ABI, for example "linux-x64-gnu"
 * @returns the path; it has been seen to exist
 * @throws an error with the code MODULE_NOT_FOUND where it is in neither place
 */
export function findBinary(name: string): string {
  const inCheckout = fileURLToPath(new URL(`../../pronghorn.${name}.node`, import.meta.url));
  if (existsSync(inCheckout)) return inCheckout;
  return createRequire(import.meta.url).resolve(`pronghorn-${name}`);
}

/**
 * Whether an ELF file has been cut short. Linkers put the table of sections last, so a file that ends behind it is whole.
 *
 * @returns what is wrong, or undefined
 */
export function damageOf(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const { size } = fstatSync(file);
    const isElf = readSync(file, header, 0, HEADER_BYTES, 0) === HEADER_BYTES && header.readUInt32BE(0) === 0x7f454c46;
    if (!isElf) return `${path} is no shared library`;
    const end = header.readBigUInt64LE(SECTION_TABLE_OFFSET) + BigInt(header.readUInt16LE(SECTION_ENTRY_SIZE) * header.readUInt16LE(SECTION_COUNT));
    return BigInt(size) < end ? `${path} is cut short: it has ${size} bytes instead of ${end}` : undefined;
  } finally {
    closeSync(file);
  }
}
