/**
 * Writes files off the main thread, and knows which ones are being written.
 *
 * In a child of a fork the parent's writes go no further: nothing of ours touches the file, which the parent goes on writing, the inherited
 * descriptors are closed, and the promises reject. Descriptors are plain numbers here, since a FileHandle would close a
 * number that is somebody else's by then. Bytes are written at explicit positions: parent and child share the descriptor's own.
 */
import { close, closeSync, openSync, rename, renameSync, rm, rmSync, write, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { PronghornError } from './errors.js';
import { fileIdentity } from './file-identity.js';
import type { ForkComponent } from './fork/component.js';
import { realPid } from './real-pid.js';
import { withResolvers } from './with-resolvers.js';

const renamed = promisify(rename);
const removed = promisify(rm);
const closed = promisify(close);

interface Writing {
  /** The process that writes it. */
  readonly pid: number;
  readonly file: number;
  /** What the descriptor points at, however the parent has called it since. */
  readonly inode: string | undefined;
  readonly promise: Promise<string>;
  reject(error: PronghornError): void;
  endWatch(): void;
}

/** Files that are being written. */
let writing = new Set<Writing>();

/** What the process is asked, once the native half is loaded: {@link connect}. */
interface Surroundings {
  /** Whether libuv's thread pool works here. */
  hasThreadPool(): boolean;
  /** Looks for a fork from now on, until the function that it returns is called. */
  watch(): () => void;
}

// Fork: kept; they are functions, which ask anew.
let surroundings: Surroundings = { hasThreadPool: () => true, watch: () => () => undefined };

/** Tells this module what a fork has made of the process, and has forks looked for while a file is written. */
export function connect(to: Surroundings): void {
  surroundings = to;
}

/**
 * Writes a file whole or not at all.
 *
 * @param target its absolute path
 * @param temporary a free name in the same folder
 * @param failed makes the error that the promise rejects with
 * @param signal ends it early: the temporary file is gone when the abort returns, unless it has become the target just then
 * @returns the target; in a child of a fork made in the meantime the promise rejects with ERR_PRONGHORN_FORKED
 */
export function replaceFile(target: string, temporary: string, data: Uint8Array, failed: (cause: unknown) => Error, signal?: AbortSignal): Promise<string> {
  if (!surroundings.hasThreadPool()) return replaceHere(target, temporary, data).catch((error: unknown) => Promise.reject(failed(error)));
  // On this thread, so that a fork never finds a file open of which nothing is known here.
  const file = openSync(temporary, 'wx');
  const { promise, resolve, reject } = withResolvers<string>();
  const pid = realPid();
  // In a child the file is the parent's, which goes on writing it.
  const onAbort = (): void => void (realPid() === pid && removeQuietly(temporary));
  signal?.addEventListener('abort', onAbort, { once: true });
  const endWatch = surroundings.watch();
  const entry: Writing = {
    pid,
    file,
    inode: fileIdentity(file),
    promise,
    reject,
    endWatch: () => {
      endWatch();
      signal?.removeEventListener('abort', onAbort);
    },
  };
  writing.add(entry);
  replace(entry, temporary, target, data, signal)
    .finally(() => {
      writing.delete(entry);
      entry.endWatch();
    })
    .then(
      () => resolve(target),
      (error: unknown) => reject(failed(error)),
    );
  return promise;
}

/** Without a thread pool: on this thread. */
async function replaceHere(target: string, temporary: string, data: Uint8Array): Promise<string> {
  try {
    writeFileSync(temporary, data, { flag: 'wx' });
    renameSync(temporary, target);
    return target;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Whoever looks after the folder comes upon it later.
  }
}

async function replace(entry: Writing, temporary: string, target: string, data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  const { file, pid } = entry;
  // Between a fork and its reset a step that the thread pool had finished may still be delivered in the child.
  const go = <T>(step: () => Promise<T>): Promise<T> => (writing.has(entry) && realPid() === pid ? step() : new Promise<T>(() => undefined));
  try {
    try {
      for (let position = 0; position < data.length; ) {
        signal?.throwIfAborted();
        position += await go(() => writeAt(file, data, position));
      }
    } finally {
      await go(() => closed(file));
    }
    signal?.throwIfAborted();
    await go(() => renamed(temporary, target));
  } catch (error) {
    await go(() => removed(temporary, { force: true }).catch(() => undefined));
    throw error;
  }
}

function writeAt(file: number, data: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(file, data, position, data.length - position, position, (error, written) => (error === null ? resolve(written) : reject(error)));
  });
}

/** This module's part in the reset after a fork. */
export const openFiles: ForkComponent = {
  name: 'files',
  hooksOff() {
    // It has none.
  },
  resetAfterFork() {
    const here = realPid();
    const all = writing;
    // A child may have begun to write before it was reset.
    writing = new Set([...all].filter(({ pid }) => pid === here));
    for (const { pid, file, inode, promise, reject, endWatch } of all) {
      if (pid === here) continue;
      endWatch();
      // The parent's thread pool may have closed it just before the fork, and the number be somebody else's by now.
      if (inode !== undefined && fileIdentity(file) === inode) closeSync(file);
      // As everywhere: a program that does not look at it in the parent shall not die of it in the child.
      promise.catch(() => undefined);
      reject(new PronghornError('ERR_PRONGHORN_FORKED', 'this process was forked off while its parent wrote a profile; the parent goes on with it'));
    }
  },
};
