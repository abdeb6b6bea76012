/**
 * A profile in the making, whose promise has not settled. The promise gets it, unless the process ends, or becomes another program, before its turn comes: then whoever
 * cannot wait takes it, and the promise, should it still settle, has the same to say.
 *
 * Fork: lives in the state of the profiler's run, which a child replaces.
 */
import { PronghornError } from './errors.js';
import type { NativeProfile } from './native-api.js';
import type { Profile } from './profile.js';

/** What is made of it, once. */
type Make = (native: NativeProfile) => Profile;

/** See the module documentation. */
export class Unsettled {
  /** While the native half is not at work on it, since this thread still has to resolve what it has sampled: a stop may. For the collector. */
  isPostponed = false;
  /** What there is already, a moment before the promise settles. */
  #arrived: NativeProfile | undefined;
  #taken: (() => Profile) | undefined;

  /** For the collector, which knows first. */
  arrived(native: NativeProfile): void {
    this.#arrived = native;
  }

  /** Whether somebody was faster than the promise, with success or without. */
  get isTaken(): boolean {
    return this.#taken !== undefined;
  }

  /** The promise's turn. @param native null if the native half has given it away */
  settle(native: NativeProfile | null, make: Make): Profile {
    if (this.#taken !== undefined) return this.#taken();
    if (native === null) throw new PronghornError('ERR_PRONGHORN_INTERNAL', 'somebody else has taken this profile: another copy of pronghorn, or the signal that ends this process');
    return make(native);
  }

  /**
   * Whoever cannot wait for the promise.
   *
   * @param fetch asks the native half, which waits until there is something
   * @param begin does instead what is postponed
   * @throws PronghornError if there is none, and never will be: the promise rejects with the same
   */
  take(fetch: () => NativeProfile | undefined, make: Make, begin: () => NativeProfile | undefined = fetch): Profile {
    try {
      const native = this.#arrived ?? (this.isPostponed ? begin() : fetch());
      if (native === undefined) throw new PronghornError('ERR_PRONGHORN_INTERNAL', 'a period is lost: nobody has what was made of it');
      const profile = make(native);
      this.#taken = () => profile;
    } catch (error) {
      this.#taken = () => {
        throw error;
      };
    }
    return this.#taken();
  }
}
