/**
 * What a queue of profiles keeps, and what it tells of it.
 */
import type { Cancel } from '../time.js';
import type { Report } from './exporter.js';

/** The bounds of a queue. */
export interface Limits {
  /** Profiles that wait, besides the one that is being sent. */
  readonly maxProfiles: number;
  /** Of their data. The newest is kept whatever its size. */
  readonly maxBytes: number;
  /** How long a profile may wait, in milliseconds. */
  readonly maxAgeMs: number;
}

/** What has become of the profiles for one exporter since the profiler was started in this process. */
export interface QueueStats {
  /** Profiles that have arrived. */
  exported: number;
  /** What was sent or written for them. */
  exportedBytes: number;
  /** Attempts that have failed. */
  failures: number;
  /** Attempts after a failed one. */
  retries: number;
  /** Profiles that were given up. */
  dropped: number;
  /** Profiles that wait now, the one being sent included. */
  waiting: number;
  /** The size of their data. */
  waitingBytes: number;
  /** The longest that beginning an attempt has kept the main thread, in nanoseconds. */
  sendMaxNanos: number;
}

/** One profile that waits. */
export interface Entry {
  readonly report: Report;
  /** When nobody will want it any more, on the clock of the queue. */
  readonly until: number;
  failures: number;
}

/** A pause after a failure. */
export interface Pause {
  readonly cancel: Cancel;
  /** Until when the place has asked to be left alone, on the clock of the queue; undefined if it has not. */
  readonly askedUntil: number | undefined;
}

export interface State {
  readonly entries: Entry[];
  readonly counters: Omit<QueueStats, 'waiting' | 'waitingBytes'>;
  /** The attempt under way. */
  attempt: AbortController | undefined;
  /** The pause after a failure. */
  pause: Pause | undefined;
  /** Attempts that have failed since the place last answered in any other way: what the pauses grow by, since a place that is down is down for every profile. */
  failuresInARow: number;
  /** The end of the patience with an attempt. */
  patience: Cancel;
  /** Once it is being closed: until when, and what to do when nothing is left. */
  closing: { readonly until: number; end(): void } | undefined;
  /** The timer of that. */
  closed: Cancel;
  /** What was given up because the time for it was over. */
  readonly left: Report[];
}

const nothing = (): void => undefined;

/** Of a queue that nothing has happened to. */
export const fresh = (): State => ({
  entries: [],
  counters: { exported: 0, exportedBytes: 0, failures: 0, retries: 0, dropped: 0, sendMaxNanos: 0 },
  attempt: undefined,
  pause: undefined,
  failuresInARow: 0,
  patience: nothing,
  closing: undefined,
  closed: nothing,
  left: [],
});

/** The size of their data. */
export function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entry.report.profile.data.length, 0);
}
