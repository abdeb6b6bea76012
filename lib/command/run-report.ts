/**
 * What `pronghorn run` says on standard error: one line when the program starts, how far a profile of limited length has come, and where the files are. It
 * is `run` that says so, for the process that it has started, and not `register`: a cluster has many processes and one terminal.
 *
 * `run` knows of the program's profile only what stands in the folder. Nothing else connects the two, since a pipe to the program would be one more
 * descriptor that it has not opened.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { say } from '../stderr.js';
import { formatDuration } from './duration.js';
import type { Progress } from './progress.js';

/** What is known of a run before it begins. */
export interface RunPlan {
  /** The folder for the profile, absolute. */
  readonly directory: string;
  /** How long is profiled; undefined: until the program ends. */
  readonly durationMs: number | undefined;
  /** Kinds of exporters. */
  readonly exporters: readonly string[];
  readonly periodMs: number;
  /** Nothing is said. */
  readonly quiet: boolean;
}

/** As many files are named one by one. */
const MOST_PATHS = 3;
const PROGRESS_MS = 1_000;
/** How often the folder is looked at when the profile is due. */
const LOOK_MS = 200;

/** One run. */
export class RunReport {
  readonly #plan: RunPlan;
  readonly #progress: Progress;
  /** Files that need not be named: those that have been, and those of an earlier process of this number. */
  readonly #known = new Set<string>();
  #named = 0;
  /** What becomes due. None of it keeps us alive. */
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(plan: RunPlan, progress: Progress) {
    this.#plan = plan;
    this.#progress = progress;
  }

  /** The program has been started. */
  started(pid: number): void {
    const { quiet, durationMs, directory } = this.#plan;
    for (const path of profilesOf(directory, pid)) this.#known.add(path);
    if (quiet) return;
    say(`profiling process ${pid}${durationMs === undefined ? '' : ` for ${formatDuration(durationMs)}`}; ${this.#destination()}`);
    if (durationMs === undefined) return;
    const began = performance.now();
    const show = (): void => {
      const seconds = Math.round((performance.now() - began) / PROGRESS_MS);
      this.#progress.show(`profiled ${formatDuration(seconds * PROGRESS_MS)} of ${formatDuration(durationMs)}`);
    };
    this.#timers.push(setInterval(show, PROGRESS_MS).unref(), setTimeout(() => this.#over(pid, durationMs), durationMs).unref());
  }

  /** It has ended. */
  ended(pid: number): void {
    this.#rest();
    const { quiet, exporters } = this.#plan;
    if (quiet) return;
    this.#sayPaths(pid);
    if (this.#named === 0 && exporters.length === 0) say('no profile was written');
  }

  #destination(): string {
    const { directory, exporters, periodMs } = this.#plan;
    if (exporters.length === 0) return `the profile will be in ${directory}`;
    const places = exporters.map((kind) => (kind === 'file' ? `files in ${directory}` : kind)).join(', ');
    return `every ${formatDuration(periodMs)} a profile goes to ${places}`;
  }

  /** The profiler has begun a little later than our clock did, and stops when the program's event loop has its turn: its last file is still to come. */
  #over(pid: number, durationMs: number): void {
    const { directory, exporters } = this.#plan;
    this.#rest();
    if (exporters.length > 0 && !exporters.includes('file')) return say(`profiled for ${formatDuration(durationMs)}; the program goes on`);
    const before = profilesOf(directory, pid).length;
    const look = (): void => {
      if (profilesOf(directory, pid).length === before) return;
      this.#rest();
      this.#sayPaths(pid, '; the program goes on');
    };
    this.#timers.push(setInterval(look, LOOK_MS).unref());
    return undefined;
  }

  #sayPaths(pid: number, more = ''): void {
    const { directory } = this.#plan;
    const paths = profilesOf(directory, pid).filter((path) => !this.#known.has(path));
    for (const path of paths) this.#known.add(path);
    this.#named += paths.length;
    if (paths.length > MOST_PATHS) say(`${paths.length} profiles written to ${directory}; the last is ${paths.at(-1)}${more}`);
    else for (const path of paths) say(`profile written to ${path}${more}`);
  }

  #rest(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    this.#progress.clear();
  }
}

/**
 * The profiles that a process has left in a folder.
 *
 * @returns their paths, oldest first
 */
export function profilesOf(directory: string, pid: number): string[] {
  const pattern = new RegExp(String.raw`^CPU\.\d{8}\.\d{6}\.${pid}\.\d+(\.[0-9a-f]{8})?\.pb\.gz$`);
  try {
    return readdirSync(directory).filter((name) => pattern.test(name)).sort().map((name) => join(directory, name));
  } catch {
    return [];
  }
}
