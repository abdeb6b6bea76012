/**
 * What `stats()` of a profiler tells beside the native half's counters: its rotations, and what has become of their profiles.
 */
import type { QueueStats } from './export/queue-state.js';
import type { Stats } from './native-api.js';

/** Counters since `start()`, or since this process was forked off. Times are nanoseconds. */
export interface ProfilerStats extends Stats {
  /** Periods that have ended in a profile while the profiler ran on. */
  rotations: number;
  /** Periods that nobody has, because their rotation or the stop failed. */
  lostPeriods: number;
  /** How long a rotation has kept the main thread, its delivery to listeners and exporters included: the mean and the longest. */
  rotationMeanNanos: number;
  rotationMaxNanos: number;
  /** For each exporter, by its name. Empty if there are none. */
  exporters: Record<string, QueueStats>;
}

/** Counts rotations. Part of a state that a fork replaces. */
export interface Rotations {
  count: number;
  lost: number;
  /** Main-thread time. */
  totalMs: number;
  maxMs: number;
  /** That of the last one. */
  lastMs: number;
}

export const noRotations = (): Rotations => ({ count: 0, lost: 0, totalMs: 0, maxMs: 0, lastMs: 0 });

/** One has ended, and has kept the main thread for so long. */
export function count(rotations: Rotations, ms: number): void {
  rotations.count += 1;
  rotations.lastMs = 0;
  countMore(rotations, ms);
}

/** The last one has kept it for so long once more: its profile was delivered later. */
export function countMore(rotations: Rotations, ms: number): void {
  rotations.totalMs += ms;
  rotations.lastMs += ms;
  rotations.maxMs = Math.max(rotations.maxMs, rotations.lastMs);
}

/** All counters together. */
export function profilerStats(native: Stats, rotations: Rotations, exporters: Record<string, QueueStats>): ProfilerStats {
  return {
    ...native,
    rotations: rotations.count,
    lostPeriods: rotations.lost,
    rotationMeanNanos: rotations.count === 0 ? 0 : Math.round((rotations.totalMs / rotations.count) * 1e6),
    rotationMaxNanos: Math.round(rotations.maxMs * 1e6),
    exporters,
  };
}
