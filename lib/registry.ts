/**
 * One profiler per process, kept where every copy of this package finds it: a second version in node_modules, jest's module
 * registry, the ESM build beside a `require()`d one. The native half hands out the same object to all of them.
 */
import type { NativeApi } from './native-api.js';
import type { Profiler } from './profiler.js';

/** A function of this package that has a profiler to itself. */
export type Owner = 'profile()' | 'startCluster()' | 'profileCluster()';

/** What is remembered about the profiler that runs. Other versions of this package read it: only add to it. */
export interface Entry {
  /** The running profiler. It may be an instance of another copy's class. */
  readonly profiler: Profiler;
  /** Its options in a form that two copies compare alike. */
  readonly optionsKey: string;
  /** Where start() was called, or the module that called it. */
  readonly startedBy: string;
  /** Whether it is shared with nobody. */
  readonly exclusive: boolean;
  /** If so, whose it is; in a cluster worker that of the primary. */
  readonly owner?: Owner | undefined;
  /** stop() has been called; the last period is being serialized. */
  stopping?: boolean;
  /** Why the profiler has switched itself off. It still has to be stopped. */
  failed?: string;
}

interface Shared {
  current?: Entry | undefined;
}

/** Reads and writes the process-wide entry. After a fork the profiler replaces it or the chain clears it. */
export class Registry {
  readonly #shared: Shared;

  constructor(native: NativeApi) {
    this.#shared = native.registry() as Shared;
  }

  /** The profiler that runs, or is just stopping. */
  get current(): Entry | undefined {
    return this.#shared.current;
  }

  set(entry: Entry): void {
    this.#shared.current = entry;
  }

  /** Forgets a profiler, unless another one has taken its place. */
  clear(profiler: Profiler): void {
    if (this.#shared.current?.profiler === profiler) this.#shared.current = undefined;
  }
}
