/**
 * Stalls of the event loop, as the application hears of them: once each is over, on the channel `pronghorn:stall`. What is written while one lasts
 * is the native half's (crates/pronghorn-sampler/src/stall.rs).
 *
 * Nothing is kept here. A fork's child has no stall of its parent's: the native half's reset forgets them.
 */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { publishStall, stallIsHeard } from './channels.js';
import { InvalidOptionError } from './errors.js';
import type { NativeApi, NativeStall, StallFrame } from './native-api.js';
import { OPTIONS, type ResolvedOptions } from './options.js';

/** Message of `pronghorn:stall`: the event loop was blocked for longer than `stallThresholdMs`, and has come back. */
export interface StallMessage {
  /** Of this process, as the kernel numbers it. */
  pid: number;
  /** When the loop began to be blocked. */
  startTime: Date;
  /** For how long it was, in milliseconds. */
  durationMs: number;
  /** The option, in milliseconds. */
  thresholdMs: number;
  /** For how long it had been blocked when the stack was taken, in milliseconds. */
  takenAfterMs: number;
  /** Whether the loop had not come round since the profiler started: the program's own start, for instance. */
  sinceStart: boolean;
  /** Where it was then, innermost first. Empty if that could not be told, in a garbage collection for instance. */
  frames: StallFrame[];
  /** Frames further out that are missing. */
  framesLeftOut: number;
  /** The same as text: lines such as `    at parse (/app/a.js:12:5)`. */
  stack: string;
}

/**
 * The file for the reports.
 *
 * @returns its whole path; undefined for standard error, and if stalls are not watched for
 * @throws InvalidOptionError if it cannot be one: a folder, or in a folder that does not exist
 */
export function stallFile({ stallThresholdMs, stallOutput }: ResolvedOptions): string | undefined {
  if (stallThresholdMs === 0 || stallOutput === OPTIONS.stallOutput.fallback) return undefined;
  const path = resolve(stallOutput);
  const refuse = (why: string): never => {
    throw new InvalidOptionError('stallOutput', stallOutput, OPTIONS.stallOutput.allowed, `stallOutput is ${JSON.stringify(stallOutput)}, ${why}`);
  };
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) refuse('which is a folder');
  if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) refuse('whose folder does not exist');
  return path;
}

/**
 * Takes the stalls that have ended, if there are any, and publishes them.
 *
 * @param stopping whether the profiler is about to stop: a stall that is under way ends for it
 */
export function tellStall(native: NativeApi, stopping: boolean): void {
  for (let stall = native.takeStall(stopping); stall !== null; stall = native.takeStall(false)) {
    if (stallIsHeard()) publishStall(message(stall));
  }
}

function message(stall: NativeStall): StallMessage {
  const { pid, sinceStart, frames, stack } = stall;
  return {
    pid,
    startTime: new Date(Number(stall.startTimeNanos / 1_000_000n)),
    durationMs: stall.durationNanos / 1e6,
    thresholdMs: stall.thresholdNanos / 1e6,
    takenAfterMs: stall.takenAfterNanos / 1e6,
    sinceStart,
    frames,
    framesLeftOut: stall.leftOut,
    stack,
  };
}
