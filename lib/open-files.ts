/**
 * Writes files off the main thread, and knows which ones are being written.
 *
 * In a child of a fork the parent's writes go no further: nothing of ours touches the file, which the parent goes on writing, the inherited
 * descriptors are closed, and the promises reject. Descriptors are plain numbers here, since a FileHandle would close a
 * number that is somebody else's by then. Bytes are written at explicit positions: parent and child share the descriptor's own.
 */
import { close, closeSync, fstatSync, openSync, rename, rm, write } from 'node:fs';
import { promisify } from 'node:util';
import { PronghornError } from './errors.js';
import type { ForkComponent } from './fork-component.js';
import { realPid } from './real-pid.js';

const renamed = promisify(rename);
const removed = promisify(rm);
const closed = promisify(close);

interface Writing {
  readonly file: number;
  /** What the descriptor points at, however the parent has called it since. */
  readonly inode: string;
  readonly promise: Promise<string>;
  reject(error: PronghornError): void;
}

/** Files that are being written. */
let writing = new Set<Writing>();

/**
 * Writes a file whole or not at all.
 *
 * @param target its absolute path
 * @param temporary a free name in the same folder
 * @param failed makes the error that the promise rejects with
 * @returns the target; in a child of a fork made in the meantime the promise rejects with ERR_PRONGHORN_FORKED
 */
export function replaceFile(target: string, temporary: string, data: Uint8Array, failed: (cause: unknown) => Error): Promise<string> {
  // On this thread, so that a fork never finds a file open of which nothing is known here.
  const file = openSync(temporary, 'wx');
  let reject: (error: Error) => void = () => undefined;
  let resolve: (path: string) => void = () => undefined;
  const promise = new Promise<string>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  const entry: Writing = { file, inode: inodeOf(file), promise, reject };
  writing.add(entry);
  replace(entry, temporary, target, data)
    .finally(() => writing.delete(entry))
    .then(
      () => resolve(target),
      (error: unknown) => reject(failed(error)),
    );
  return promise;
}

async function replace(entry: Writing, temporary: string, target: string, data: Uint8Array): Promise<void> {
  const { file } = entry;
  const pid = realPid();
  // Between a fork and its reset a step that the thread pool had finished may still be delivered in the child.
  const go = <T>(step: () => Promise<T>): Promise<T> => (writing.has(entry) && realPid() === pid ? step() : new Promise<T>(() => undefined));
  try {
    try {
      for (let position = 0; position < data.length; ) {
        position += await go(() => writeAt(file, data, position));
      }
    } finally {
      await go(() => closed(file));
    }
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
    const all = writing;
    writing = new Set();
    for (const { file, inode, promise, reject } of all) {
      // The parent's thread pool may have closed it just before the fork, and the number be somebody else's by now.
      if (inodeOf(file) === inode) closeSync(file);
      // As everywhere: a program that does not look at it in the parent shall not die of it in the child.
      promise.catch(() => undefined);
      reject(new PronghornError('ERR_PRONGHORN_FORKED', 'this process was forked off while its parent wrote a profile; the parent goes on with it'));
    }
  },
};

/** Names a file for as long as it is open; empty if nothing is. */
function inodeOf(file: number): string {
  try {
    const { dev, ino } = fstatSync(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}
