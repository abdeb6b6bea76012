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
const OURS = /^CPU\.(\d{8}\.\d{6})\.(\d+)\.(\d+)(\.[0-9a-f]{8})?\.pb\.gz$/;

interface Stored {
  readonly path: string;
  readonly when: string;
  readonly sequence: number;
  readonly bytes: number;
}

/** See the module documentation. */
export class FileExporter implements Exporter {
  readonly name = 'file';
  readonly #settings: FileSettings;

  constructor(settings: FileSettings) {
    this.#settings = settings;
  }

  async send({ profile }: Report): Promise<Sent> {
    const path = await writeAtomically(this.#pathOf(profile), profile.data, cannotWrite);
    const { directory } = this.#settings;
    const names = await promisify(readdir)(directory).catch(() => []);
    const all = await Promise.all(names.map((name) => OURS.test(name) ? promisify(stat)(join(directory, name)).then(({ size }) => stored(directory, name, size), () => undefined) : undefined));
    for (const old of this.#surplus(all)) await promisify(rm)(old.path, { force: true }).catch(() => undefined);
    return { bytes: profile.data.length, path };
  }

  sendSync({ profile }: Report): Sent {
    const { directory } = this.#settings;
    const path = writeAtomicallySync(this.#pathOf(profile), profile.data);
    const all = readdirSync(directory).map((name) => (OURS.test(name) ? stored(directory, name, sizeOf(join(directory, name))) : undefined));
    for (const old of this.#surplus(all)) rmSync(old.path, { force: true });
    return { bytes: profile.data.length, path };
  }

  #pathOf({ startTime, processId, sequence, runtimeId }: Profile): string {
    const name = profileName(startTime, processId, sequence);
    return join(this.#settings.directory, name.replace(/\.pb\.gz$/, `.${runtimeId.slice(0, 8)}.pb.gz`));
  }

  /** The oldest, as many as are too many. */
  #surplus(all: readonly (Stored | undefined)[]): Stored[] {
    const { maxFiles, maxBytes } = this.#settings;
    const sorted = all.filter((one) => one !== undefined).sort((a, b) => (a.when === b.when ? a.sequence - b.sequence : a.when < b.when ? -1 : 1));
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

function stored(directory: string, name: string, bytes: number): Stored | undefined {
  const [, when, , sequence] = OURS.exec(name) ?? [];
  return when === undefined ? undefined : { path: join(directory, name), when, sequence: Number(sequence), bytes };
}

/** Another process may have deleted it in between. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** A full disk may have room again; a folder that is no folder stays one. */
function cannotWrite(cause: unknown): ExportError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const retry = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'EIO', 'ESTALE', 'ETIMEDOUT'].includes(code ?? '');
  return new ExportError(`file: ${message}`, { retry }, { cause });
}
