/**
 * One period of profiling, as gzipped pprof.
 */
import { PronghornError } from './errors.js';
import { writeAtomically, writeAtomicallySync } from './files.js';
import type { NativeProfile, Stats } from './native-api.js';

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

  constructor(native: NativeProfile) {
    this.data = native.data;
    this.startTimeNanos = native.startTimeNanos;
    this.endTimeNanos = native.endTimeNanos;
    this.stats = native.stats;
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
   * @throws PronghornError ERR_PRONGHORN_WRITE_FAILED; the profile is still in `data`
   */
  async save(path: string): Promise<string> {
    try {
      return await writeAtomically(path, this.data);
    } catch (error) {
      throw writeFailed(path, error);
    }
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
