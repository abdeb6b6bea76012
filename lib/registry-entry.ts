/**
 * What is remembered about a profiler of this copy of the package. What only a second start() asks for is made when it does.
 */
import { nameOfStarter } from './caller.js';
import { optionsKey } from './options.js';
import type { Profiler } from './profiler.js';
import type { ProfilerSetup } from './profiler-state.js';
import type { Entry, Owner } from './registry.js';

/** One run of the profiler. */
export class OwnEntry implements Entry {
  readonly profiler: Profiler;
  readonly exclusive: boolean;
  readonly owner: Owner | undefined;
  readonly #setup: ProfilerSetup;

  constructor(profiler: Profiler, setup: ProfilerSetup) {
    this.profiler = profiler;
    this.exclusive = setup.owner !== undefined;
    this.owner = setup.owner;
    this.#setup = setup;
  }

  get optionsKey(): string {
    const { options, test, continuous } = this.#setup;
    return optionsKey(options, test, continuous?.key);
  }

  get startedBy(): string {
    return nameOfStarter(this.#setup.startedBy);
  }
}
