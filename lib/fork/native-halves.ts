/**
 * The native halves that this thread has loaded: one for each copy of this package with a binary of its own. Each has its own statics, notices
 * a fork by itself, and has to be reset for itself, whichever of them runs the profiler.
 *
 * Two objects may stand for one binary (a second module registry loads it again). Its steps are then done twice, which is doing them once.
 */
import type { ForkState, NativeApi } from '../native-api.js';

/** The list. A fork changes nothing in it: what is loaded stays loaded. */
export class NativeHalves {
  /** Each with a function that takes its steps out of the chain. */
  readonly #all = new Map<NativeApi, () => void>();

  has(native: NativeApi): boolean {
    return this.#all.has(native);
  }

  add(native: NativeApi, leave: () => void): void {
    this.#all.set(native, leave);
  }

  /**
   * What all of them together know of the fork. One that was loaded later counts fewer generations, and one that has never been started knows
   * nothing of worker threads: what any of them says is so.
   */
  state(): ForkState {
    let known: ForkState | undefined;
    for (const native of this.#all.keys()) {
      const state = native.forkState();
      known = known === undefined ? state : both(known, state);
    }
    if (known === undefined) throw new Error('there is no native half');
    return known;
  }

  /** Whether libuv's thread pool works. One that was loaded after the fork which has broken it does not know. */
  hasThreadPool(): boolean {
    return [...this.#all.keys()].every((native) => native.hasThreadPool());
  }

  /** The last step of each, where none is started. */
  acknowledge(): void {
    for (const native of this.#inLimbo()) native.acknowledgeFork();
  }

  /**
   * The same behind the start of one of them, which can no longer be taken back. One that fails is out of the list: it stays inert in this process, and is
   * reset alone when its copy is used again.
   *
   * @returns what they threw
   */
  acknowledgeOthers(): unknown[] {
    const errors: unknown[] = [];
    for (const native of this.#inLimbo()) {
      try {
        native.acknowledgeFork();
      } catch (error) {
        errors.push(error);
        this.#all.get(native)?.();
        this.#all.delete(native);
      }
    }
    return errors;
  }

  /** Each is asked when its turn comes: with one that is acknowledged the next may be as well, if both stand for one binary. */
  *#inLimbo(): Generator<NativeApi> {
    for (const native of this.#all.keys()) if (native.forkState().forked) yield native;
  }
}

function both(one: ForkState, other: ForkState): ForkState {
  return {
    forked: one.forked || other.forked,
    generation: Math.max(one.generation, other.generation),
    pid: one.pid,
    parentPid: one.parentPid,
    late: one.late || other.late,
    worker: one.worker || other.worker,
    forkingThread: one.forkingThread || other.forkingThread,
    forkedAtMonotonicNanos: later(one.forkedAtMonotonicNanos, other.forkedAtMonotonicNanos),
  };
}

/** One that was not forked says 0. */
const later = (one: bigint, other: bigint): bigint => (one > other ? one : other);
