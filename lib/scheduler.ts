/**
 * Rotates the profiler every period, for as long as it runs.
 *
 * The first rotation comes one period after the start; each further wait is the period less what the rotation took, its delivery's delay included, so
 * that periods do not drift. A rotation is never begun while another one is under way, and never made up for: after a stall of minutes, a
 * suspended machine or a clock that jumped there is one, with all that was collected.
 *
 * Threads: the one that started the profiler. The timer is unref'd. Fork: the state is one object, replaced whole; what a timer or a promise of the
 * parent's still does in the child finds that out and stops. The child's first period begins at its reset.
 */
import { fromNative, type PronghornError } from './errors.js';
import type { ForkComponent } from './fork/component.js';
import type { Profile } from './profile.js';

/** Profiles are delivered up to this much later than they were made, so that the processes of a cluster do not all upload at once. */
const MAX_JITTER_MS = 3_000;
/** What has been collected for less than a second is left for the next rotation; timers come a little early. */
const SHORTEST_PERIOD_MS = 950;

/** What it does its work on. */
export interface Scheduled {
  /** How long the period under way has lasted, in milliseconds. */
  collectedMs(): number;
  /** Whether there is anything to deliver: not after the collector has failed. */
  hasFailed(): boolean;
  /** Ends a period. Rejects if it is lost, which has been announced then. */
  rotate(): Promise<Profile>;
  /** Hands a profile over; must not throw. */
  deliver(profile: Profile): void;
  /** The scheduler cannot go on: the collector must not either. */
  fail(error: PronghornError): void;
}

/** Its view of time. */
export interface Time {
  /** Monotonic milliseconds. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Whether this is the process that the state belongs to; resets a child that has not been reset. */
  inOwnProcess(): boolean;
}

interface State {
  timer: NodeJS.Timeout | undefined;
  /** Between start and stop. */
  running: boolean;
  /** A profile that was made and waits to be delivered. */
  held: Profile | undefined;
}

const fresh = (): State => ({ timer: undefined, running: false, held: undefined });

/** See the module documentation. */
export class Scheduler implements ForkComponent {
  readonly name = 'scheduler';
  readonly #periodMs: number;
  readonly #what: Scheduled;
  readonly #time: Time;
  #state = fresh();

  constructor(periodMs: number, what: Scheduled, time: Time) {
    this.#periodMs = periodMs;
    this.#what = what;
    this.#time = time;
  }

  /** Begins to wait for the first period's end. */
  begin(): void {
    this.stop();
    this.#state.running = true;
    this.#wait(this.#periodMs, () => this.#rotate());
  }

  /** Rotates no more. What waits to be delivered is delivered at once. */
  stop(): void {
    const { timer, held } = this.#state;
    clearTimeout(timer);
    this.#state = fresh();
    if (held !== undefined) this.#what.deliver(held);
  }

  hooksOff(): void {
    clearTimeout(this.#state.timer);
  }

  resetAfterFork(): void {
    this.#state = fresh();
  }

  /** In a child: its own timer. */
  started(): void {
    this.begin();
  }

  #wait(ms: number, then: () => void): void {
    const state = this.#state;
    state.timer = setTimeout(() => {
      if (!this.#time.inOwnProcess() || this.#state !== state) return;
      state.timer = undefined;
      try {
        then();
      } catch (error) {
        this.#failed(error);
      }
    }, ms).unref();
  }

  #rotate(): void {
    const state = this.#state;
    const began = this.#time.now();
    if (this.#what.hasFailed()) return this.stop();
    // What somebody else's rotation has left is not worth a profile yet.
    if (this.#what.collectedMs() < SHORTEST_PERIOD_MS) return this.#wait(this.#periodMs, () => this.#rotate());
    this.#what.rotate().then(
      (profile) => this.#rotated(state, began, profile),
      // It has been announced, or somebody else's rotation is under way, whose profile is delivered as this one would have been.
      () => this.#rotated(state, began, undefined),
    );
  }

  #rotated(state: State, began: number, profile: Profile | undefined): void {
    if (!this.#time.inOwnProcess()) return;
    if (this.#state !== state) {
      // Stopped meanwhile. A child has no profile of its parent's here: its promise has rejected.
      if (profile !== undefined) this.#what.deliver(profile);
      return;
    }
    const next = (): void => {
      const tookMs = this.#time.now() - began;
      this.#wait(Math.max(0, this.#periodMs - tookMs), () => this.#rotate());
    };
    if (profile === undefined) return next();
    state.held = profile;
    this.#wait(this.#time.random() * Math.min(MAX_JITTER_MS, this.#periodMs), () => {
      state.held = undefined;
      this.#what.deliver(profile);
      next();
    });
  }

  #failed(cause: unknown): void {
    this.stop();
    this.#what.fail(fromNative(cause));
  }
}
