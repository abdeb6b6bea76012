/**
 * gzipped pprof in memory, of one process or of several, with the time it is of.
 */
import { PronghornError } from './errors.js';
import { writeAtomically, writeAtomicallySync } from './files.js';

/** The samples between two points of time. It keeps nothing of the profiler alive. */
export class ProfileFile {
  /** The profile as a gzipped pprof message: what `go tool pprof` and speedscope read. */
  readonly data: Buffer;
  /**
   * Start of the period, to the nanosecond, since the epoch; real-time clock. The previous profile's end, unless that clock was set, or the machine slept, meanwhile:
   * then where the clock stands.
   */
  readonly startTimeNanos: bigint;
  /** End of the period: the start and its length, which is that of the monotonic clock. */
  readonly endTimeNanos: bigint;

  constructor(file: { data: Buffer; startTimeNanos: bigint; endTimeNanos: bigint }) {
    this.data = file.data;
    this.startTimeNanos = file.startTimeNanos;
    this.endTimeNanos = file.endTimeNanos;
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
