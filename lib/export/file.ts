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
import { isAbandoned, isTemporary } from '../temporary-file.js';
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

/** Ours, and those that `register` writes: those have no runtime id, and their number is only the first that was free. */
const OURS = /^CPU\.\d{8}\.\d{6}\.\d+\.(\d+)(?:\.([0-9a-f]{8}))?\.pb\.gz$/;

interface Stored {
  readonly path: string;
  /** When it was written, in milliseconds since the epoch: names are in local time, which repeats an hour every autumn. */
  readonly when: number;
  /** Whose it is; undefined if its number says nothing. */
  readonly runtimeId: string | undefined;
  readonly sequence: number;
  readonly bytes: number;
}

/** What stat(2) tells of a file; nothing if somebody has deleted it in between. */
type Found = { readonly size: number; readonly mtimeMs: number } | undefined;

const look = promisify(stat);
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

  async send(report: Report, signal: AbortSignal): Promise<Sent> {
    const { profile } = report;
    if (!this.#hasThreadPool()) return this.sendSync(report);
    const path = await writeAtomically(this.#pathOf(profile), profile.data, cannotWrite, signal);
    await this.#tidy(path);
    return { bytes: profile.data.length, path };
  }

  sendSync({ profile }: Report): Sent {
    try {
      const path = writeAtomicallySync(this.#pathOf(profile), profile.data);
      this.#tidySync(path);
      return { bytes: profile.data.length, path };
    } catch (error) {
      throw cannotWrite(error);
    }
  }

  #tidySync(written: string): void {
    const { directory } = this.#settings;
    try {
      const found = readdirSync(directory)
        .filter(concernsUs)
        .map((name): [string, Found] => [name, statSync(join(directory, name), { throwIfNoEntry: false })]);
      for (const old of this.#surplus(found, written)) rmSync(old, { force: true });
    } catch {
      // The profile is there. What cannot be looked at or removed is left to the next time.
    }
  }

  /** One file after the other: a thousand at once would keep the application's own files waiting. What cannot be looked at or removed is left to the next time. */
  async #tidy(written: string): Promise<void> {
    const { directory } = this.#settings;
    const found: [string, Found][] = [];
    for (const name of await list(directory).catch(() => [])) {
      if (concernsUs(name)) found.push([name, await look(join(directory, name)).catch(() => undefined)]);
    }
    for (const old of this.#surplus(found, written)) await remove(old, { force: true }).catch(() => undefined);
  }

  #pathOf({ startTime, processId, sequence, runtimeId }: Profile): string {
    const name = profileName(startTime, processId, sequence);
    return join(this.#settings.directory, name.replace(/\.pb\.gz$/, `.${runtimeId.slice(0, 8)}.pb.gz`));
  }

  /** Paths: the oldest, as many as are too many, but never `written`, and what processes that are gone have left unfinished. */
  #surplus(found: readonly [string, Found][], written: string): string[] {
    const { directory, maxFiles, maxBytes } = this.#settings;
    const now = Date.now();
    const surplus = [];
    const whole: Stored[] = [];
    for (const [name, file] of found) {
      if (file === undefined) continue;
      const path = join(directory, name);
      const [, sequence, runtimeId] = OURS.exec(name) ?? [];
      if (sequence !== undefined) whole.push({ path, when: file.mtimeMs, runtimeId, sequence: Number(sequence), bytes: file.size });
      else if (isAbandoned(name, now - file.mtimeMs)) surplus.push(path);
    }
    let bytes = whole.reduce((sum, one) => sum + one.bytes, 0);
    let count = whole.length;
    for (const one of oldestFirst(whole)) {
      if (count <= maxFiles && bytes <= maxBytes) break;
      if (one.path === written) continue;
      surplus.push(one.path);
      count -= 1;
      bytes -= one.bytes;
    }
    return surplus;
  }
}

function concernsUs(name: string): boolean {
  return OURS.test(name) || isTemporary(name);
}

/**
 * By the time that they were written; but of one process by their numbers, since the clock may have been set back between two of them: what is dated later than
 * a later profile of its process counts as old as that one.
 */
function oldestFirst(all: readonly Stored[]): Stored[] {
  const ofProcess = new Map<string, number>();
  const written = new Map<Stored, number>();
  for (const one of [...all].sort((a, b) => b.sequence - a.sequence)) {
    const later = one.runtimeId === undefined ? undefined : ofProcess.get(one.runtimeId);
    const when = Math.min(one.when, later ?? one.when);
    if (one.runtimeId !== undefined) ofProcess.set(one.runtimeId, when);
    written.set(one, when);
  }
  return [...all].sort((a, b) => written.get(a)! - written.get(b)! || a.sequence - b.sequence);
}

/** A full disk may have room again; a folder that is no folder stays one. */
function cannotWrite(cause: unknown): ExportError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const retry = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'EIO', 'ESTALE', 'ETIMEDOUT'].includes(code ?? '');
  return new ExportError(`file: ${message}`, { retry }, { cause });
}
