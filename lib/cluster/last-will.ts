/**
 * A file for the last profile of a worker that a signal ends. It has no name: it is unlinked at once and held open, so nothing is left
 * behind whatever becomes of either process. The worker opens it through the primary's folder in /proc, as only the same user can.
 */
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileIdentity } from '../file-identity.js';
import { randomId } from '../random-id.js';
import { realPid } from '../real-pid.js';

/** How a worker finds the file, and knows that it is this one: the number of the descriptor may be another file's by then. */
export interface LastWillAddress {
  path: string;
  device: string;
  inode: string;
}

/** The primary's end, one for each worker. */
export class LastWill {
  readonly #fd: number;
  readonly address: LastWillAddress;
  #open = true;

  /** @throws if no file can be made in the temporary folder */
  constructor() {
    const path = join(tmpdir(), `.pronghorn-${randomId()}`);
    this.#fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    const { dev, ino } = fstatSync(this.#fd, { bigint: true });
    this.address = { path: `/proc/${realPid()}/fd/${this.#fd}`, device: String(dev), inode: String(ino) };
  }

  /** What the worker has written, if anything. Call it after the worker's end; the file is closed. */
  take(): Buffer | undefined {
    if (!this.#open) return undefined;
    try {
      const { size } = fstatSync(this.#fd);
      const data = Buffer.alloc(size);
      return size > 0 && readSync(this.#fd, data, 0, size, 0) === size ? data : undefined;
    } catch {
      return undefined;
    } finally {
      this.close();
    }
  }

  /** Gives the file up, in a child of a fork, too. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeLastWill(this.#fd, this.address);
  }
}

/**
 * The worker's end.
 *
 * @returns the descriptor, or undefined if the file cannot be had: then a signal costs the last profile
 */
export function openLastWill(address: LastWillAddress | undefined): number | undefined {
  if (address === undefined) return undefined;
  try {
    const fd = openSync(address.path, 'r+');
    if (isOpenAs(fd, address)) return fd;
    closeSync(fd);
  } catch {
    // Another user's process, or one that may not be looked into.
  }
  return undefined;
}

/** Gives an end up. The application may have closed all descriptors that it did not know, and have opened its own under this number. */
export function closeLastWill(fd: number, address: LastWillAddress): void {
  if (isOpenAs(fd, address)) closeSync(fd);
}

function isOpenAs(fd: number, { device, inode }: LastWillAddress): boolean {
  return fileIdentity(fd) === `${device}:${inode}`;
}
