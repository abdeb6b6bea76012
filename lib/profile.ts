/**
 * One period of profiling, as gzipped pprof.
 */
import { PronghornError } from './errors.js';
import { writeAtomically, writeAtomicallySync } from './files.js';
import type { NativeProfile, Stats } from './native-api.js';

/** Which process a profile is from, and the how manieth of it. */
export interface Origin {
  processId: number;
  runtimeId: string;
  sequence: number;
}

/** The samples between two points of time. It keeps nothing of the profiler alive. */
export class Profile {
  /** The profile as a gzipped pprof message: what `go tool pprof` and speedscope read. */
  readonly data: Buffer;
  /** Start of the period, to the nanosecond, since the epoch; real-time clock. Never before the previous profile's end. */
  readonly startTimeNanos: bigint;
  /** End of the period, in the same way. */
  readonly endTimeNanos: bigint;
  /** The profiler's counters since `start()`, as of the end of this period. */
  readonly stats: Stats;
  /** The process that was profiled, as the kernel numbers it. After fork(2) that is not `process.pid`. */
  readonly processId: number;
  /** A UUID that this process shares with no other, its children of fork(2) included. */
  readonly runtimeId: string;
  /** Counts the profiles of one process from 0. */
  readonly sequence: number;

  constructor(native: NativeProfile, origin: Origin) {
    this.data = native.data;
    this.startTimeNanos = native.startTimeNanos;
    this.endTimeNanos = native.endTimeNanos;
    this.stats = native.stats;
    this.processId = origin.processId;
    this.runtimeId = origin.runtimeId;
    this.sequence = origin.sequence;
  }

  /** Start of the period, to the millisecond. */
  get startTime(): Date {
    return new Date(Number(this.startTimeNanos / 1_000_000n));
  }

  /** End of the period, to the millisecond. */
  get endTime(): Date {
    return new Date(Number(this.endTimeNanos / 1_000_000n));
  }

  /**
   * Writes the profile into a file: whole or not at all, replacing what stood there. Creates missing folders.
   *
   * @param path where to
   * @returns the absolute path
   * @throws PronghornError ERR_PRONGHORN_WRITE_FAILED; the profile is still in `data`. ERR_PRONGHORN_FORKED in a child that was forked off in
   *   the meantime; the parent goes on writing
   */
  save(path: string): Promise<string> {
    return writeAtomically(path, this.data, (error) => writeFailed(path, error));
  }

  /** The same, on the calling thread: for the process's `exit` event, which waits for nothing. */
  saveSync(path: string): string {
    try {
      return writeAtomicallySync(path, this.data);
    } catch (error) {
      throw writeFailed(path, error);
    }
  }
}

function writeFailed(path: string, cause: unknown): PronghornError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PronghornError('ERR_PRONGHORN_WRITE_FAILED', `the profile could not be written to ${path}: ${reason}`, { cause });
}
