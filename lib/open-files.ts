/**
 * Writes files off the main thread, and knows which ones are being written.
 *
 * In a child of a fork the parent's writes go no further: nothing of ours touches the file, which the parent goes on writing, the inherited
 * descriptors are closed, and the promises reject. Descriptors are plain numbers here, since a FileHandle would close a
 * number that is somebody else's by then. Bytes are written at explicit positions: parent and child share the descriptor's own.
 */
import { close, closeSync, open, readdirSync, readlinkSync, rename, rm, write } from 'node:fs';
import { promisify } from 'node:util';
import { PronghornError } from './errors.js';
import type { ForkComponent } from './fork-component.js';

const opened = promisify(open);
const renamed = promisify(rename);
const removed = promisify(rm);
const closed = promisify(close);

interface Writing {
  /** No other file has this name. */
  readonly temporary: string;
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
  let reject: (error: Error) => void = () => undefined;
  let resolve: (path: string) => void = () => undefined;
  const promise = new Promise<string>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  const entry: Writing = { temporary, promise, reject };
  writing.add(entry);
  replace(entry, target, data)
    .finally(() => writing.delete(entry))
    .then(
      () => resolve(target),
      (error: unknown) => reject(failed(error)),
    );
  return promise;
}

async function replace(entry: Writing, target: string, data: Uint8Array): Promise<void> {
  const { temporary } = entry;
  const pid = realPid();
  // Between a fork and its reset a step that the thread pool had finished may still be delivered in the child.
  const go = <T>(step: () => Promise<T>): Promise<T> => (writing.has(entry) && realPid() === pid ? step() : new Promise<T>(() => undefined));
  try {
    const file = await opened(temporary, 'wx');
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

/** The kernel's answer; `process.pid` is the parent's in a child. Without /proc, every process looks alike. */
function realPid(): string {
  try {
    return readlinkSync('/proc/self');
  } catch {
    return '';
  }
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
    if (all.size > 0) closeInherited(new Set([...all].map((entry) => entry.temporary)));
    for (const { promise, reject } of all) {
      // As everywhere: a program that does not look at it in the parent shall not die of it in the child.
      promise.catch(() => undefined);
      reject(new PronghornError('ERR_PRONGHORN_FORKED', 'this process was forked off while its parent wrote a profile; the parent goes on with it'));
    }
  },
};

/** By what descriptors point at, since the parent's thread pool may have opened or closed one without our having heard of it. */
function closeInherited(names: ReadonlySet<string>): void {
  for (const descriptor of descriptors()) {
    try {
      if (names.has(readlinkSync(`/proc/self/fd/${descriptor}`))) closeSync(Number(descriptor));
    } catch {
      // The descriptor by which the folder itself was read.
    }
  }
}

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd');
  } catch {
    return [];
  }
}
