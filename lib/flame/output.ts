/**
 * Where a page is written, and what it must not replace: a slip such as `-o *.pb.gz` must not cost a profile.
 */
import { closeSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { PronghornError } from '../errors.js';
import { writeAtomically } from '../files.js';
import { PAGE_START } from './page.js';

/** The name of a page beside its profile: `CPU.….pb.gz` becomes `CPU.….html`. */
export function pageName(profile: string, compares: boolean): string {
  const bare = profile.replace(/(?<=[^/])(\.pb|\.pprof|\.prof)?(\.gz)?$/, '');
  return `${bare}${compares ? '.diff' : ''}.html`;
}

/**
 * Writes a page, whole or not at all.
 *
 * @returns the absolute path
 * @throws PronghornError ERR_PRONGHORN_WRITE_FAILED, also if something stands there that is no page of ours
 */
export async function writePage(path: string, page: Buffer): Promise<string> {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    const obstacle = stat === undefined ? undefined : whyKept(path, stat);
    if (obstacle !== undefined) throw new Error(obstacle);
    return await writeAtomically(path, page);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PronghornError('ERR_PRONGHORN_WRITE_FAILED', `the page could not be written to ${path}: ${reason}`, { cause });
  }
}

function whyKept(path: string, stat: Stats): string | undefined {
  if (stat.isDirectory()) return 'it is a folder';
  if (!stat.isFile()) return 'it is not a regular file (-o - writes to standard output)';
  if (stat.size === 0 || beginsAsPage(path)) return undefined;
  return 'what is there is not a page of pronghorn flame, and is kept; remove it or choose another name';
}

function beginsAsPage(path: string): boolean {
  const bytes = Buffer.alloc(Buffer.byteLength(PAGE_START));
  const descriptor = openSync(path, 'r');
  try {
    return readSync(descriptor, bytes, 0, bytes.length, 0) === bytes.length && bytes.toString() === PAGE_START;
  } finally {
    closeSync(descriptor);
  }
}
