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
import { debuglog } from 'node:util';
import { fromNative, type PronghornError } from './errors.js';
import type { ForkComponent, Reset } from './fork/component.js';
import type { Profile } from './profile.js';
import type { Cancel, Time } from './time.js';

const debug = debuglog('pronghorn');

/** Profiles go to servers up to this much later than they were made, so that the processes of a cluster do not all upload at once. */
const MAX_JITTER_MS = 3_000;
/** What has been collected for less than a second is left for the next rotation; a timer may come a few milliseconds early. */
const SHORTEST_PERIOD_MS = 995;

/** What it does its work on. */
export interface Scheduled {
  /** How long the period under way has lasted, in milliseconds. */
  collectedMs(): number;
  /** Whether the collector has failed: there will be nothing to deliver any more. */
  hasFailed(): boolean;
  /**
   * Ends a period. Rejects if it is lost, which has been announced then, and if somebody else's rotation is under way, whose profile is delivered by that.
   *
   * @param hand gets the profile before anybody hears of it, unless it has been delivered otherwise meanwhile
   */
  rotate(hand: (profile: Profile) => void): Promise<unknown>;
  /** Hands a profile to those that need not be spared: they write on this machine. At once. */
  deliverHere(profile: Profile): void;
  /** Hands it to all others. */
  deliver(profile: Profile): void;
  /** The scheduler cannot go on: the collector must not either. Must not throw. */
  fail(error: PronghornError): void;
}

/** How it is set up. */
export interface SchedulerSetup {
  readonly periodMs: number;
  readonly what: Scheduled;
  readonly time: Time;
  /** Takes it into the chain; returns a function that takes it out. */
  join(component: ForkComponent): () => void;
}

interface State {
  /** Takes the timer back. */
  cancel: Cancel;
  /** Delivers the profile that was made and waits for that, if there is one, and goes on. */
  release: (() => void) | undefined;
}

const fresh = (): State => ({ cancel: nothing, release: undefined });
const nothing = (): void => undefined;

/** See the module documentation. */
export class Scheduler implements ForkComponent {
  readonly name = 'scheduler';
  readonly #setup: SchedulerSetup;
  readonly #leave: () => void;
  #state = fresh();

  constructor(setup: SchedulerSetup) {
    this.#setup = setup;
    this.#leave = setup.join(this);
  }

  /** Begins to wait for the first period's end. */
  begin(): void {
    this.#rest();
    this.#wait(this.#setup.periodMs, () => this.#rotate());
  }

  /** Rotates no more, ever. What waits to be delivered is delivered at once, and so is what a rotation under way brings. */
  stop(): void {
    this.#leave();
    const { release } = this.#state;
    this.#rest();
    release?.();
  }

  /** Delivers what waits for that at once: before a profile that is newer, and before the process ends. */
  flush(): void {
    const { release } = this.#state;
    if (release === undefined) return;
    this.#state.cancel();
    this.#orFail(release);
  }

  hooksOff(): void {
    this.#state.cancel();
  }

  resetAfterFork({ verdict }: Reset): void {
    this.#state = fresh();
    if (!verdict.restart) this.#leave();
  }

  /** In a child: its own timer. */
  started(): void {
    this.begin();
  }

  /** Nothing is waited for; a child of this process begins anew. */
  #rest(): void {
    this.#state.cancel();
    this.#state = fresh();
  }

  #wait(ms: number, then: () => void): void {
    const state = this.#state;
    state.cancel = this.#setup.time.after(ms, () => {
      if (this.#state !== state) return;
      state.cancel = nothing;
      this.#orFail(then);
    });
  }

  #rotate(): void {
    const { what, time, periodMs } = this.#setup;
    const state = this.#state;
    const began = time.now();
    if (what.hasFailed()) {
      debug('no further rotation: the collector has failed');
      return this.#rest();
    }
    // What somebody else's rotation has left is not worth a profile yet.
    const collectedMs = what.collectedMs();
    if (collectedMs < SHORTEST_PERIOD_MS) {
      debug('no rotation after %d ms: that is left for the next one', Math.round(collectedMs));
      return this.#wait(periodMs, () => this.#rotate());
    }
    let isHanded = false;
    const rotated = (profile: Profile | undefined): void => {
      if (isHanded) return;
      isHanded = true;
      this.#orFail(() => this.#rotated(state, began, profile));
    };
    const without = (): void => rotated(undefined);
    what.rotate(rotated).then(without, without);
  }

  #rotated(state: State, began: number, profile: Profile | undefined): void {
    const { what, time, periodMs } = this.#setup;
    if (!time.inOwnProcess()) return;
    if (this.#state !== state) {
      // Stopped meanwhile. A child has no profile of its parent's here: its promise has rejected.
      if (profile !== undefined) {
        what.deliverHere(profile);
        what.deliver(profile);
      }
      return;
    }
    const next = (): void => {
      const tookMs = time.now() - began;
      this.#wait(Math.max(0, periodMs - tookMs), () => this.#rotate());
    };
    if (profile === undefined) return next();
    const jitterMs = time.random() * Math.min(MAX_JITTER_MS, periodMs);
    debug('rotation: profile %d, %d bytes, to be exported in %d ms', profile.sequence, profile.data.length, Math.round(jitterMs));
    what.deliverHere(profile);
    const release = (): void => {
      state.release = undefined;
      what.deliver(profile);
      if (this.#state === state) next();
    };
    state.release = release;
    this.#wait(jitterMs, release);
  }

  #orFail(act: () => void): void {
    try {
      act();
    } catch (cause) {
      this.#rest();
      this.#leave();
      this.#setup.what.fail(fromNative(cause));
    }
  }
}
