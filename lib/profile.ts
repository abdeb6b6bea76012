/**
 * One period of profiling, as gzipped pprof.
 */
import type { NativeProfile, Stats } from './native-api.js';
import { ProfileFile } from './profile-file.js';

/** Which process a profile is from, and the how manieth of it. */
export interface Origin {
  processId: number;
  runtimeId: string;
  sequence: number;
}

/** A profile of one process. */
export class Profile extends ProfileFile {
  /** The profiler's counters since `start()`, as of the end of this period. */
  readonly stats: Stats;
  /** The process that was profiled, as the kernel numbers it. After fork(2) that is not `process.pid`. */
  readonly processId: number;
  /** A UUID that this process shares with no other, its children of fork(2) included. */
  readonly runtimeId: string;
  /** Counts the profiles of one process from 0. */
  readonly sequence: number;

  constructor(native: NativeProfile, origin: Origin) {
    super(native);
    this.stats = native.stats;
    this.processId = origin.processId;
    this.runtimeId = origin.runtimeId;
    this.sequence = origin.sequence;
  }
}
