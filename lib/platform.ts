/**
 * Which native half fits this process: by its platform, its processor, and the C library that it runs on.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';

/** What there is a native half for. The packages have the same names, with "pronghorn-" before them. */
const PLATFORMS: ReadonlySet<string> = new Set(['linux-x64-gnu', 'linux-x64-musl']);

/** A C library, as in the names of the packages. */
export type Libc = 'gnu' | 'musl';

/**
 * @param runtime `process`, or the part of it that counts here
 * @param libc what {@link libcOf} says of the program that runs
 * @returns the name, for example "linux-x64-gnu", or why there is none
 */
export function platformOf(runtime: { platform: string; arch: string }, libc: Libc): { name: string } | { reason: string } {
  const { platform, arch } = runtime;
  const name = platform === 'linux' ? `${platform}-${arch}-${libc}` : `${platform}-${arch}`;
  if (PLATFORMS.has(name)) return { name };
  const here = platform === 'linux' ? `${platform} on ${arch} with ${libcName(libc)}` : `${platform} on ${arch}`;
  return { reason: `there is no native part for ${here}, and so no package pronghorn-${name}; pronghorn runs on Linux x64` };
}

/** What people call a C library. */
export function libcName(libc: Libc): string {
  return libc === 'gnu' ? 'glibc' : 'musl';
}

/** The parts of an ELF file that are needed here, by their offsets in a 64-bit one. */
const PROGRAM_HEADERS_OFFSET = 0x20;
const PROGRAM_HEADER_SIZE = 0x36;
const PROGRAM_HEADER_COUNT = 0x38;
const INTERPRETER = 3;

/** Where the dynamic linkers lie, unless a distribution has an order of its own. */
const GLIBC_LINKER = '/lib64/ld-linux-x86-64.so.2';
const MUSL_LINKER = '/lib/ld-musl-x86_64.so.1';

/** The C library of this process. Where there is the dynamic linker of one alone, it is that one's; else the program is asked, which takes ten times as long. */
export function libcOfProcess(): Libc {
  try {
    return existsSync(GLIBC_LINKER) && !existsSync(MUSL_LINKER) ? 'gnu' : libcOf('/proc/self/exe');
  } catch {
    // Node's permission model: even looking whether a file is there throws.
    return libcOfReport();
  }
}

/** The same without reading any file. */
function libcOfReport(): Libc {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
}

/**
 * The C library that a program runs on, told by its dynamic linker, which stands in the first page of the file: `process.report`, which
 * others ask, takes stacks and addresses, too, and that takes milliseconds.
 *
 * @param program path of an ELF file
 * @returns glibc's where the file says nothing, or may not be read
 */
export function libcOf(program: string): Libc {
  let file: number | undefined;
  try {
    file = openSync(program, 'r');
    const page = Buffer.alloc(4096);
    readSync(file, page, 0, page.length, 0);
    const first = Number(page.readBigUInt64LE(PROGRAM_HEADERS_OFFSET));
    const size = page.readUInt16LE(PROGRAM_HEADER_SIZE);
    for (let index = 0; index < page.readUInt16LE(PROGRAM_HEADER_COUNT); index++) {
      const header = first + index * size;
      if (page.readUInt32LE(header) !== INTERPRETER) continue;
      const path = Buffer.alloc(256);
      readSync(file, path, 0, path.length, Number(page.readBigUInt64LE(header + 8)));
      return path.toString('latin1', 0, path.indexOf(0)).includes('ld-musl-') ? 'musl' : 'gnu';
    }
  } catch {
    // Not to be read: Node's permission model, another kind of file.
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return 'gnu';
}
