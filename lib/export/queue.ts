/**
 * What waits for one exporter, and the attempts to send it: in order, one at a time, with pauses that grow while the place fails. It is
 * bounded in number, bytes and age; what it has to drop is counted and announced.
 *
 * Threads: the JavaScript thread that started the profiler. Fork: the state is one object, replaced whole; an attempt or a timer of the parent's
 * finds that its state is not the current one and does nothing. In a child nothing is queued, and nothing of the parent's is sent.
 */
import { publishExport } from '../channels.js';
import { type Exporter, type ExportError, exportError, type Report, type Sent } from './exporter.js';
import { backoffMs } from './retry.js';

/** The bounds of a queue. */
export interface Limits {
  /** Profiles that wait, besides the one that is being sent. */
  readonly maxProfiles: number;
  /** Of their data. The newest is kept whatever its size. */
  readonly maxBytes: number;
  /** How long a profile may wait, in milliseconds. */
  readonly maxAgeMs: number;
}

/** Why a profile was dropped. */
export type DropReason = 'full' | 'too old' | 'refused' | 'stopped';

/** Counters since the profiler was started in this process. */
export interface QueueStats {
  /** Profiles that have arrived. */
  exported: number;
  exportedBytes: number;
  /** Attempts after a failed one. */
  retries: number;
  /** Profiles that were given up. */
  dropped: number;
  /** Profiles that wait now, the one being sent included, and the size of their data. */
  waiting: number;
  waitingBytes: number;
}

/** What a queue needs of the world. */
export interface Surroundings {
  /** Monotonic milliseconds. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Whether this is the process that the queue's state belongs to; resets a child that has not been reset. */
  inOwnProcess(): boolean;
}

/** One profile that waits. */
interface Entry {
  readonly report: Report;
  readonly since: number;
  failures: number;
}

interface State {
  readonly entries: Entry[];
  readonly counters: Omit<QueueStats, 'waiting' | 'waitingBytes'>;
  /** The attempt under way. */
  attempt: AbortController | undefined;
  /** The pause after a failure. */
  timer: NodeJS.Timeout | undefined;
  /** Those who wait until nothing is left. */
  readonly idle: (() => void)[];
  /** Set by close(): whatever fails now is dropped. */
  closed: boolean;
}

const fresh = (): State => ({
  entries: [],
  counters: { exported: 0, exportedBytes: 0, retries: 0, dropped: 0 },
  attempt: undefined,
  timer: undefined,
  idle: [],
  closed: false,
});

/** The queue of one exporter. */
export class ExportQueue {
  readonly #exporter: Exporter;
  readonly #limits: Limits;
  readonly #world: Surroundings;
  #state = fresh();

  constructor(exporter: Exporter, limits: Limits, world: Surroundings) {
    this.#exporter = exporter;
    this.#limits = limits;
    this.#world = world;
  }

  /** What the exporter is called. */
  get name(): string {
    return this.#exporter.name;
  }

  /** The counters. */
  stats(): QueueStats {
    const { entries, counters } = this.#state;
    return { ...counters, waiting: entries.length, waitingBytes: bytesOf(entries) };
  }

  /** Takes a profile in; what there is no room for any more, the oldest first, is dropped. */
  push(report: Report): void {
    const { entries, attempt } = this.#state;
    entries.push({ report, since: this.#world.now(), failures: 0 });
    // One that is on its way may have arrived by the time it would be dropped, so it is not counted.
    const first = attempt === undefined ? 0 : 1;
    while (entries.length - first > 1 && this.#isFull(entries.slice(first))) this.#drop(first, 'full', undefined);
    this.#next();
  }

  /**
   * Waits until nothing waits any more, at most until the deadline; then gives up what is left. Pauses after failures are cut short: there is
   * one more attempt for each profile, and what fails is dropped.
   *
   * @param deadlineMs from now
   */
  async close(deadlineMs: number): Promise<void> {
    const state = this.#state;
    state.closed = true;
    clearTimeout(state.timer);
    state.timer = undefined;
    this.#next();
    if (state.entries.length === 0) return;
    await new Promise<void>((resolve) => {
      // Keeps the process alive: the last profile is what people wait for.
      const timer = setTimeout(resolve, deadlineMs);
      state.idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    if (this.#state !== state) return;
    state.attempt?.abort();
    state.attempt = undefined;
    while (state.entries.length > 0) this.#drop(0, 'stopped', undefined);
  }

  /** The same for the process's end: what this exporter can do on the calling thread is done, and everything else is dropped. */
  closeSync(): void {
    this.#state.closed = true;
    if (this.canSendNow) this.sendNow();
    this.#interrupt();
    while (this.#state.entries.length > 0) this.#drop(0, 'stopped', undefined);
    for (const resolve of this.#state.idle.splice(0)) resolve();
  }

  /** Whether this exporter can send on the calling thread. */
  get canSendNow(): boolean {
    return this.#exporter.sendSync !== undefined;
  }

  /** Sends all that waits, on the calling thread. What fails goes on waiting, or is dropped by a queue that is closed. */
  sendNow(): void {
    const { entries } = this.#state;
    this.#interrupt();
    for (let left = entries.length; left > 0; left--) {
      const entry = entries[0]!;
      const began = this.#world.now();
      try {
        this.#arrived(entry, this.#exporter.sendSync!(entry.report), began);
      } catch (error) {
        this.#failed(entry, exportError(this.name, error));
        // It waits, and those behind it wait for it.
        if (entries[0] === entry) return;
      }
    }
  }

  /** Ends what is under way; it begins again, if it does, with the next attempt. */
  #interrupt(): void {
    const state = this.#state;
    clearTimeout(state.timer);
    state.timer = undefined;
    state.attempt?.abort();
    state.attempt = undefined;
  }

  /** Nothing of it runs any more, now or later. Nothing is announced: this is for a process that is not the queue's. */
  hooksOff(): void {
    clearTimeout(this.#state.timer);
  }

  /** In a forked child: what waited is the parent's. */
  resetAfterFork(): void {
    this.#state = fresh();
  }

  #isFull(waiting: readonly Entry[]): boolean {
    return waiting.length > this.#limits.maxProfiles || bytesOf(waiting) > this.#limits.maxBytes;
  }

  #next(): void {
    const state = this.#state;
    const [entry] = state.entries;
    if (entry === undefined) {
      for (const resolve of state.idle.splice(0)) resolve();
      return;
    }
    if (state.attempt !== undefined || state.timer !== undefined) return;
    const attempt = new AbortController();
    state.attempt = attempt;
    const began = this.#world.now();
    if (entry.failures > 0) state.counters.retries += 1;
    // An exporter of the application may throw as well as reject.
    new Promise<Sent>((resolve) => resolve(this.#exporter.send(entry.report, attempt.signal))).then(
      (sent) => this.#over(state, attempt, () => this.#arrived(entry, sent, began)),
      (error: unknown) => this.#over(state, attempt, () => this.#failed(entry, exportError(this.name, error))),
    );
  }

  /** Goes on after an attempt, unless it is not this queue's, or this process's, any more. */
  #over(state: State, attempt: AbortController, goOn: () => void): void {
    if (!this.#world.inOwnProcess() || this.#state !== state || state.attempt !== attempt) return;
    state.attempt = undefined;
    goOn();
    this.#next();
  }

  #arrived(entry: Entry, sent: Sent, began: number): void {
    const { entries, counters } = this.#state;
    entries.shift();
    counters.exported += 1;
    counters.exportedBytes += sent.bytes;
    const durationMs = this.#world.now() - began;
    publishExport({ exporter: this.name, profile: entry.report.profile, outcome: 'exported', attempts: entry.failures + 1, durationMs, ...sent });
  }

  #failed(entry: Entry, error: ExportError): void {
    entry.failures += 1;
    if (!error.retry) return this.#drop(0, 'refused', error);
    if (this.#state.closed) return this.#drop(0, 'stopped', error);
    const pause = Math.max(backoffMs(entry.failures, this.#world.random()), error.retryAfterMs ?? 0);
    const left = entry.since + this.#limits.maxAgeMs - this.#world.now();
    if (left <= 0) return this.#drop(0, 'too old', error);
    const { profile } = entry.report;
    // A server that asks for more than the queue's patience is asked once more at the end of it.
    const pauseMs = Math.min(pause, left);
    publishExport({ exporter: this.name, profile, outcome: 'failed', attempts: entry.failures, error, retryInMs: pauseMs });
    this.#wait(pauseMs);
  }

  #wait(pauseMs: number): void {
    const state = this.#state;
    state.timer = setTimeout(() => {
      if (!this.#world.inOwnProcess() || this.#state !== state) return;
      state.timer = undefined;
      this.#next();
    }, pauseMs).unref();
  }

  #drop(index: number, reason: DropReason, error: ExportError | undefined): void {
    const { entries, counters } = this.#state;
    const [entry] = entries.splice(index, 1);
    if (entry === undefined) return;
    counters.dropped += 1;
    publishExport({ exporter: this.name, profile: entry.report.profile, outcome: 'dropped', attempts: entry.failures, reason, error });
  }
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entry.report.profile.data.length, 0);
}
