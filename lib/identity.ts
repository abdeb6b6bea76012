/**
 * Who this process is: a random id for as long as it lives, those of the processes it was forked off from, and its real process id.
 *
 * `process.pid` is the parent's in a child of fork(2), and a process id is given to another process one day; the runtime id is not.
 */
import { randomId } from './random-id.js';
import type { ForkComponent, Reset } from './fork/component.js';
import type { NativeApi } from './native-api.js';

interface State {
  readonly runtimeId: string;
  /** Of the process that forked this one off, or, where that one forked before it was reset itself, of the nearest above it that had an id. */
  readonly parentRuntimeId: string | undefined;
  /** Of the first process of the family, which may be this one. */
  readonly rootRuntimeId: string;
  readonly pid: number;
  /** Forks between the first process and this one. */
  readonly generation: number;
}

function first(native: NativeApi): State {
  const runtimeId = randomId();
  const { pid, generation } = native.forkState();
  return { runtimeId, parentRuntimeId: undefined, rootRuntimeId: runtimeId, pid, generation };
}

/** One per process. */
export class Identity implements ForkComponent {
  readonly name = 'identity';
  #state: State;

  constructor(native: NativeApi) {
    this.#state = first(native);
  }

  get runtimeId(): string {
    return this.#state.runtimeId;
  }

  get parentRuntimeId(): string | undefined {
    return this.#state.parentRuntimeId;
  }

  get rootRuntimeId(): string {
    return this.#state.rootRuntimeId;
  }

  get pid(): number {
    return this.#state.pid;
  }

  get generation(): number {
    return this.#state.generation;
  }

  /** What a profile says of its origin, for whoever puts the profiles of a family of processes together. */
  get comments(): string[] {
    const { runtimeId, parentRuntimeId, rootRuntimeId } = this.#state;
    const own = [`runtime id ${runtimeId}`];
    return parentRuntimeId === undefined ? own : [...own, `parent runtime id ${parentRuntimeId}`, `root runtime id ${rootRuntimeId}`];
  }

  hooksOff(): void {
    // It has none.
  }

  resetAfterFork({ fork }: Reset): void {
    // A second attempt in the same child: its parent is still the same.
    if (this.#state.generation === fork.generation && this.#state.pid === fork.pid) return;
    const { runtimeId, rootRuntimeId } = this.#state;
    this.#state = { runtimeId: randomId(), parentRuntimeId: runtimeId, rootRuntimeId, pid: fork.pid, generation: fork.generation };
  }
}
