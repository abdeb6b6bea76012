/**
 * Finds the native half on disk, and looks whether it is whole before anything loads it.
 *
 * The loader of glibc maps a file without comparing sizes: one that an interrupted installation has cut short kills the process with SIGBUS
 * (measured: cut to 10, 30, 50 and 70%), which no `try` catches.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The parts of an ELF header that are needed here, by their offsets in a 64-bit file. */
const HEADER_BYTES = 64;
const MAGIC = 0x7f454c46;
const SECTION_TABLE_OFFSET = 0x28;
const SECTION_ENTRY_SIZE = 0x3a;
const SECTION_COUNT = 0x3c;

/**
 * Where the native half lies: in a checkout at its root, in an installation in the package of this platform, which is looked for where installers put it
 * (below this package, or beside it) before Node's resolution is asked: that takes as long as all the rest.
 *
 * @param name platform and ABI, for example "linux-x64-gnu"
 * @returns the path; it has been seen to exist
 * @throws an error with the code MODULE_NOT_FOUND where it is in none of the places
 */
export function findBinary(name: string): string {
  // A test runner with a module loader of its own may know the URL alone.
  const here = import.meta.dirname ?? dirname(fileURLToPath(import.meta.url));
  const root = dirname(dirname(here));
  const file = `pronghorn.${name}.node`;
  for (const folder of ['', `node_modules/pronghorn-${name}`, `../pronghorn-${name}`]) {
    const path = join(root, folder, file);
    if (existsSync(path)) return path;
  }
  return process.getBuiltinModule('node:module').createRequire(import.meta.url).resolve(`pronghorn-${name}`);
}

/**
 * Whether an ELF file has been cut short. Linkers put the table of sections last, so a file that has its last byte is whole.
 *
 * @returns what is wrong, or undefined
 */
export function damageOf(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    const isElf = readSync(file, header, 0, HEADER_BYTES, 0) === HEADER_BYTES && header.getUint32(0) === MAGIC;
    if (!isElf) return `${path} is no shared library`;
    const table = header.getUint32(SECTION_TABLE_OFFSET, true) + header.getUint32(SECTION_TABLE_OFFSET + 4, true) * 2 ** 32;
    const end = table + header.getUint16(SECTION_ENTRY_SIZE, true) * header.getUint16(SECTION_COUNT, true);
    // No stat(): its object with four dates takes longer than the file.
    if (end <= Number.MAX_SAFE_INTEGER && readSync(file, header, 0, 1, end - 1) === 1) return undefined;
    return `${path} is cut short: it has ${statSync(path).size} bytes instead of ${end}`;
  } finally {
    closeSync(file);
  }
}
