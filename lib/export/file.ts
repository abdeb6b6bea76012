/**
 * Writes profiles into a folder, whole or not at all, and keeps the folder within its bounds: the oldest go first. Several processes may share one.
 *
 * A file's name says which process it is from and which of its profiles it is, with the beginning of the process's runtime id, since two
 * containers that share a folder may both be process 1. It is the same for each attempt at one profile.
 */
import { readdir, readdirSync, rm, rmSync, stat, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { profileName, writeAtomically, writeAtomicallySync } from '../files.js';
import type { Profile } from '../profile.js';
import { ExportError, type Exporter, type Report, type Sent } from './exporter.js';

/** How a folder is used. */
export interface FileSettings {
  /** Absolute. Made if it does not exist. */
  readonly directory: string;
  /** Most profiles in it, those of other processes included. */
  readonly maxFiles: number;
  /** Most bytes of profiles in it. The newest profile is kept whatever its size. */
  readonly maxBytes: number;
}

/** Ours, and those that `register` writes. */
const OURS = /^CPU\.\d{8}\.\d{6}\.\d+\.(\d+)(?:\.[0-9a-f]{8})?\.pb\.gz$/;

interface Stored {
  readonly path: string;
  /** When it was written, in milliseconds since the epoch: names are in local time, which repeats an hour every autumn. */
  readonly when: number;
  readonly sequence: number;
  readonly bytes: number;
}

const writtenAt = promisify(stat);
const list = promisify(readdir);
const remove = promisify(rm);

/** See the module documentation. */
export class FileExporter implements Exporter {
  readonly name = 'file';
  readonly #settings: FileSettings;
  readonly #hasThreadPool: () => boolean;

  /** @param hasThreadPool whether libuv's thread pool works: in a child of a fork without handlers it does not, and everything is done on this thread */
  constructor(settings: FileSettings, hasThreadPool: () => boolean) {
    this.#settings = settings;
    this.#hasThreadPool = hasThreadPool;
  }

  async send(report: Report): Promise<Sent> {
    const { profile } = report;
    if (!this.#hasThreadPool()) return this.sendSync(report);
    const path = await writeAtomically(this.#pathOf(profile), profile.data, cannotWrite);
    await this.#tidy();
    return { bytes: profile.data.length, path };
  }

  sendSync({ profile }: Report): Sent {
    const { directory } = this.#settings;
    try {
      const path = writeAtomicallySync(this.#pathOf(profile), profile.data);
      const names = readdirSync(directory).filter((name) => OURS.test(name));
      const all = names.map((name) => stored(directory, name, statSync(join(directory, name), { throwIfNoEntry: false })));
      for (const old of this.#surplus(all)) rmSync(old.path, { force: true });
      return { bytes: profile.data.length, path };
    } catch (error) {
      throw cannotWrite(error);
    }
  }

  /** One file after the other: a thousand at once would keep the application's own files waiting. What cannot be looked at or removed is left to the next time. */
  async #tidy(): Promise<void> {
    const { directory } = this.#settings;
    const all: (Stored | undefined)[] = [];
    for (const name of await list(directory).catch(() => [])) {
      if (OURS.test(name)) all.push(stored(directory, name, await writtenAt(join(directory, name)).catch(() => undefined)));
    }
    for (const old of this.#surplus(all)) await remove(old.path, { force: true }).catch(() => undefined);
  }

  #pathOf({ startTime, processId, sequence, runtimeId }: Profile): string {
    const name = profileName(startTime, processId, sequence);
    return join(this.#settings.directory, name.replace(/\.pb\.gz$/, `.${runtimeId.slice(0, 8)}.pb.gz`));
  }

  /** The oldest, as many as are too many. The newest stays whatever its size. */
  #surplus(all: readonly (Stored | undefined)[]): Stored[] {
    const { maxFiles, maxBytes } = this.#settings;
    const sorted = all.filter((one) => one !== undefined).sort((a, b) => a.when - b.when || a.sequence - b.sequence);
    let bytes = sorted.reduce((sum, one) => sum + one.bytes, 0);
    let count = sorted.length;
    const surplus = [];
    for (const one of sorted) {
      if (count <= 1 || (count <= maxFiles && bytes <= maxBytes)) break;
      surplus.push(one);
      count -= 1;
      bytes -= one.bytes;
    }
    return surplus;
  }
}

/** @param found undefined if another process has deleted it in between */
function stored(directory: string, name: string, found: { size: number; mtimeMs: number } | undefined): Stored | undefined {
  const sequence = OURS.exec(name)?.[1];
  if (sequence === undefined || found === undefined) return undefined;
  return { path: join(directory, name), when: found.mtimeMs, sequence: Number(sequence), bytes: found.size };
}

/** A full disk may have room again; a folder that is no folder stays one. */
function cannotWrite(cause: unknown): ExportError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const retry = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'EIO', 'ESTALE', 'ETIMEDOUT'].includes(code ?? '');
  return new ExportError(`file: ${message}`, { retry }, { cause });
}
