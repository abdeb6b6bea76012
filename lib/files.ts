/**
 * Profiles on disk: how a file is named, and how it is written so that no reader ever sees half of one.
 */
import { accessSync, constants, existsSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PronghornError } from './errors.js';
import { replaceFile } from './open-files.js';
import { temporaryName } from './temporary-file.js';

/**
 * The file name of one profile: `CPU.<yyyymmdd>.<hhmmss>.<pid>.<seq>.pb.gz`, in local time.
 *
 * @param when the start of the profile
 * @param sequence counts the profiles of one process from 0
 */
export function profileName(when: Date, pid: number, sequence: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${String(when.getFullYear()).padStart(4, '0')}${two(when.getMonth() + 1)}${two(when.getDate())}`;
  const time = `${two(when.getHours())}${two(when.getMinutes())}${two(when.getSeconds())}`;
  return `CPU.${date}.${time}.${pid}.${sequence}.pb.gz`;
}

/**
 * The first free path in a folder, counting the sequence number up over files that exist. Two containers that share a volume have the
 * same pid, 1, and may start in the same second.
 *
 * @param directory must exist
 * @returns the absolute path
 */
export function freeProfilePath(directory: string, when: Date, pid: number): string {
  for (let sequence = 0; ; sequence++) {
    const path = resolve(directory, profileName(when, pid, sequence));
    if (!existsSync(path)) return path;
  }
}

/**
 * Writes a profile under the first free name, whole or not at all, and never over another file.
 *
 * @returns the absolute path
 */
export function writeNewProfileSync(directory: string, when: Date, pid: number, data: Uint8Array): string {
  makeDirectory(directory);
  const temporary = temporaryName(resolve(directory, 'profile'));
  try {
    writeFileSync(temporary, data, { flag: 'wx' });
    for (;;) {
      const path = freeProfilePath(directory, when, pid);
      try {
        // Unlike a rename, a link refuses a name that somebody has taken since.
        linkSync(temporary, path);
        return path;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EEXIST') continue;
        if (!NO_LINKS.has(code ?? '')) throw error;
        writeFileSync(path, data, { flag: 'wx' });
        return path;
      }
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** What file systems without hard links answer. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Makes sure now, at the start, that a profile can be written at the end.
 *
 * @returns the folder's absolute path
 * @throws PronghornError ERR_PRONGHORN_WRITE_FAILED
 */
export function prepareDirectory(directory: string): string {
  const path = resolve(directory);
  try {
    makeDirectory(path);
    accessSync(path, constants.W_OK | constants.X_OK);
    return path;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PronghornError('ERR_PRONGHORN_WRITE_FAILED', `profiles cannot be written to the folder ${path}: ${reason}`, { cause });
  }
}

/**
 * Writes beside the target and renames, off the main thread.
 *
 * @param failed makes the error that the promise rejects with
 * @param signal ends it early: what is not whole is removed at once, in the call that aborts, since the process may be ending
 * @returns the absolute path
 */
export function writeAtomically(path: string, data: Uint8Array, failed = asItIs, signal?: AbortSignal): Promise<string> {
  try {
    const target = resolve(path);
    makeDirectory(dirname(target));
    return replaceFile(target, temporaryName(target), data, failed, signal);
  } catch (error) {
    return Promise.reject(failed(error));
  }
}

function asItIs(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause));
}

/** The same, on the calling thread. */
export function writeAtomicallySync(path: string, data: Uint8Array): string {
  const target = resolve(path);
  const temporary = temporaryName(target);
  makeDirectory(dirname(target));
  try {
    writeFileSync(temporary, data, { flag: 'wx' });
    renameSync(temporary, target);
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // The first error says more.
    }
    throw error;
  }
  return target;
}

/**
 * Creates a folder and the missing ones above it. Node's own recursive mkdir never returns where a file system answers ENOENT although the
 * folder above exists, as /proc does (measured on Node 20.20.2).
 */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const above = dirname(directory);
  if (above !== directory) makeDirectory(above);
  try {
    mkdirSync(directory);
  } catch (error) {
    // Another process may have been faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
