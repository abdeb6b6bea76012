/**
 * What waits for one exporter, and the attempts to send it: in order, one at a time, with pauses that grow while the place fails. It is
 * bounded in number, bytes and age; what it has to drop is counted and announced.
 *
 * Threads: the JavaScript thread that started the profiler. Fork: the state is one object, replaced whole; an attempt or a timer of the parent's
 * finds that its state is not the current one and does nothing. In a child nothing is queued, and nothing of the parent's is sent.
 */
import { debuglog } from 'node:util';
import { type DropReason, type ExportMessage, publishError, publishExport } from '../channels.js';
import { fromNative } from '../errors.js';
import type { ForkComponent, Reset } from '../fork/component.js';
import type { Time } from '../time.js';
import { type Exporter, type ExportError, exportError, type Report, type Sent, sentNow, sentOf } from './exporter.js';
import { bytesOf, type Entry, fresh, type Limits, type QueueStats, type State } from './queue-state.js';
import { backoffMs } from './retry.js';

const debug = debuglog('pronghorn');

/** How it is set up. */
export interface QueueSetup {
  readonly exporter: Exporter;
  /** What events and statistics call it. */
  readonly place: string;
  readonly limits: Limits;
  /** Whether closeSync() is to tell what an earlier close() has given up, too. Else that would be kept for nobody. */
  readonly keepsLeft: boolean;
  readonly time: Time;
  /** Takes it into the chain; returns a function that takes it out. */
  join(component: ForkComponent): () => void;
}

/** The queue of one exporter. */
export class ExportQueue implements ForkComponent {
  readonly name = 'queues';
  /** What the exporter is called. */
  readonly place: string;
  readonly #setup: QueueSetup;
  readonly #leave: () => void;
  #state = fresh();

  constructor(setup: QueueSetup) {
    this.place = setup.place;
    this.#setup = setup;
    this.#leave = setup.join(this);
  }

  /** The counters. */
  stats(): QueueStats {
    const { entries, counters } = this.#state;
    return { ...counters, waiting: entries.length, waitingBytes: bytesOf(entries) };
  }

  /**
   * Takes a profile in; what there is no room for any more, the oldest first, is dropped.
   *
   * @param begin whether to begin sending it; not at the end of a process, where an attempt comes to nothing and sendNow() follows
   */
  push(report: Report, { begin = true } = {}): void {
    const { entries, attempt } = this.#state;
    entries.push(this.#entry(report));
    // One that is on its way may have arrived by the time it would be dropped, so it is not counted.
    const first = attempt === undefined ? 0 : 1;
    while (entries.length - first > 1 && this.#isFull(entries.slice(first))) this.#drop(first, 'full', undefined);
    if (begin) this.#next();
  }

  /** Counts and announces a profile that nobody is to have. */
  refuse(report: Report): void {
    this.#state.entries.push(this.#entry(report));
    this.#drop(this.#state.entries.length - 1, 'collector failed', undefined);
  }

  /**
   * Waits until nothing waits any more, at most until the deadline; then gives up what is left. A pause of our own after failures is cut short, and there are
   * further attempts as long as there is time for them. A pause that the place has asked for is kept; where it ends after the deadline, all that waits is given
   * up at once. The queue has left the chain then.
   *
   * @param deadlineMs from now
   */
  async close(deadlineMs: number): Promise<void> {
    const { time } = this.#setup;
    const state = this.#state;
    if (state.entries.length > 0) {
      await new Promise<void>((resolve) => {
        state.closing = { until: time.now() + deadlineMs, end: resolve };
        // Keeps the process alive: the last profile is what people wait for.
        state.closed = time.deadline(deadlineMs, resolve);
        this.#cutPause(state, state.closing.until);
      });
    }
    if (this.#state === state) this.#end();
  }

  /** Gives up what is left, at once, and leaves the chain. Returns all that was given up so: also by an earlier close(), if it was to be kept, but once. */
  closeSync(): readonly Report[] {
    const all = [...this.#state.left, ...this.waiting()];
    this.#end();
    this.#state.left.length = 0;
    return all;
  }

  /** What waits now, the one being sent included. */
  waiting(): readonly Report[] {
    return this.#state.entries.map(({ report }) => report);
  }

  /** Whether this exporter can send on the calling thread. */
  get canSendNow(): boolean {
    return this.#setup.exporter.sendSync !== undefined;
  }

  /** Sends all that waits, on the calling thread. What fails goes on waiting, and so does what is behind it. */
  sendNow(): void {
    const { entries } = this.#state;
    this.#interrupt();
    for (let left = entries.length; left > 0; left--) {
      const entry = entries[0]!;
      const began = this.#setup.time.now();
      try {
        this.#arrived(entry, sentNow(this.#setup.exporter.sendSync!(entry.report), entry.report), began);
      } catch (error) {
        this.#failed(entry, exportError(this.place, error));
        // It waits, and those behind it wait for it.
        if (entries[0] === entry) return;
      }
    }
  }

  /** Nothing of it runs any more, now or later. Nothing is announced: this is for a process that is not the queue's. */
  hooksOff(): void {
    this.#interrupt();
    this.#state.closed();
  }

  /** In a forked child: what waited is the parent's. */
  resetAfterFork({ verdict }: Reset): void {
    const { closing } = this.#state;
    this.#state = fresh();
    // What was being closed is the end of a run of the parent's.
    if (!verdict.restart || closing !== undefined) this.#leave();
  }

  #end(): void {
    this.#interrupt();
    const { closing, closed } = this.#state;
    closed();
    this.#giveUpAll();
    closing?.end();
    this.#leave();
  }

  /** Ends what is under way; it begins again, if it does, with the next attempt. */
  #interrupt(): void {
    const state = this.#state;
    state.pause?.cancel();
    state.pause = undefined;
    state.patience();
    const { attempt } = state;
    state.attempt = undefined;
    attempt?.abort();
  }

  /** A period's own length is a part of its age where the place counts from its start. */
  #entry(report: Report): Entry {
    const { exporter, limits, time } = this.#setup;
    const { longestAgeMs } = exporter;
    const { profile } = report;
    const most = longestAgeMs === undefined ? Infinity : longestAgeMs - Number(profile.endTimeNanos - profile.startTimeNanos) / 1e6;
    return { report, until: time.now() + Math.min(limits.maxAgeMs, most), failures: 0 };
  }

  #isFull(waiting: readonly Entry[]): boolean {
    const { maxProfiles, maxBytes } = this.#setup.limits;
    return waiting.length > maxProfiles || bytesOf(waiting) > maxBytes;
  }

  #next(): void {
    const { exporter, limits, time } = this.#setup;
    const state = this.#state;
    const [entry] = state.entries;
    if (entry === undefined) return state.closing?.end();
    if (state.attempt !== undefined || state.pause !== undefined) return;
    const attempt = new AbortController();
    state.attempt = attempt;
    const began = time.now();
    if (entry.failures > 0) state.counters.retries += 1;
    // An exporter that never answers shall not hold up the queue for ever.
    state.patience = time.after(limits.maxAgeMs, () => {
      if (state.attempt === attempt) this.#giveUp(entry);
    });
    // An exporter of the application may throw as well as reject.
    const sent = new Promise<Sent>((resolve) => resolve(exporter.send(entry.report, attempt.signal)));
    state.counters.sendMaxNanos = Math.max(state.counters.sendMaxNanos, Math.round((time.now() - began) * 1e6));
    sent.then(
      (how) => this.#over(state, attempt, () => this.#arrived(entry, sentOf(how, entry.report), began)),
      (error: unknown) => this.#over(state, attempt, () => this.#failed(entry, exportError(this.place, error))),
    );
  }

  /** Goes on after an attempt, unless it is not this queue's, or this process's, any more. */
  #over(state: State, attempt: AbortController, goOn: () => void): void {
    if (!this.#setup.time.inOwnProcess() || this.#state !== state || state.attempt !== attempt) return;
    state.attempt = undefined;
    state.patience();
    try {
      goOn();
      this.#next();
    } catch (error) {
      // Nobody waits for this promise: what is thrown here would end the program.
      publishError({ error: fromNative(error) });
    }
  }

  #giveUp(entry: Entry): void {
    this.#interrupt();
    entry.failures += 1;
    this.#state.counters.failures += 1;
    this.#drop(0, 'too old', undefined);
    this.#next();
  }

  #arrived(entry: Entry, sent: Sent, began: number): void {
    const { entries, counters } = this.#state;
    entries.shift();
    this.#state.failuresInARow = 0;
    counters.exported += 1;
    counters.exportedBytes += sent.bytes;
    const durationMs = this.#setup.time.now() - began;
    this.#tell(entry, { outcome: 'exported', attempts: entry.failures + 1, durationMs, ...sent });
  }

  #failed(entry: Entry, error: ExportError): void {
    const { time } = this.#setup;
    const state = this.#state;
    entry.failures += 1;
    state.counters.failures += 1;
    if (!error.retry) {
      state.failuresInARow = 0;
      return this.#drop(0, 'refused', error);
    }
    state.failuresInARow += 1;
    const now = time.now();
    const left = entry.until - now;
    const askedMs = Math.max(0, Number(error.retryAfterMs) || 0);
    if (left <= 0) {
      this.#drop(0, 'too old', error);
      const [next] = state.entries;
      if (askedMs > 0 && next !== undefined) this.#pause(state, Math.max(0, Math.min(askedMs, next.until - now)), askedMs);
      return;
    }
    // A server that asks for more than the queue's patience is asked once more at the end of it.
    const pauseMs = Math.min(Math.max(backoffMs(state.failuresInARow, time.random()), askedMs), left);
    if (state.closing !== undefined && now + pauseMs >= state.closing.until) {
      this.#drop(0, 'stopped', error);
      // One that wants to be left alone is not asked to take the others either.
      if (now + askedMs >= state.closing.until) this.#giveUpAll();
      return;
    }
    this.#pause(state, pauseMs, askedMs);
    this.#tell(entry, { outcome: 'failed', attempts: entry.failures, error, retryInMs: pauseMs });
  }

  #cutPause(state: State, until: number): void {
    const { pause } = state;
    const askedMs = (pause?.askedUntil ?? 0) - this.#setup.time.now();
    pause?.cancel();
    state.pause = undefined;
    if (askedMs > 0 && pause!.askedUntil! >= until) this.#giveUpAll();
    if (askedMs > 0 && state.entries.length > 0) this.#pause(state, askedMs, askedMs);
    else this.#next();
  }

  /** @param askedMs how long the place has asked for */
  #pause(state: State, pauseMs: number, askedMs: number): void {
    const cancel = this.#setup.time.after(pauseMs, () => {
      if (this.#state !== state) return;
      state.pause = undefined;
      this.#next();
    });
    state.pause = { cancel, askedUntil: askedMs > 0 ? this.#setup.time.now() + askedMs : undefined };
  }

  #giveUpAll(): void {
    while (this.#state.entries.length > 0) this.#drop(0, 'stopped', undefined);
  }

  #drop(index: number, reason: DropReason, error: ExportError | undefined): void {
    const { entries, counters, left } = this.#state;
    const [entry] = entries.splice(index, 1);
    if (entry === undefined) return;
    counters.dropped += 1;
    if (reason === 'stopped' && this.#setup.keepsLeft) left.push(entry.report);
    this.#tell(entry, { outcome: 'dropped', attempts: entry.failures, reason, error });
  }

  #tell({ report: { profile } }: Entry, how: Omit<ExportMessage, 'exporter' | 'profile'>): void {
    const { outcome, attempts, reason, error, retryInMs, bytes } = how;
    const because = error === undefined ? '' : `: ${error.message}`;
    const more = { exported: `, ${bytes} bytes`, failed: `, again in ${Math.round(retryInMs ?? 0)} ms${because}`, dropped: `, ${reason}${because}` }[outcome];
    debug('export to %s: profile %d %s, attempts: %d%s', this.place, profile.sequence, outcome, attempts, more);
    publishExport({ exporter: this.place, profile, ...how, ...(error?.status === undefined ? {} : { status: error.status }) });
  }
}
