/**
 * process.execve() replaces the program and keeps the process: whatever was profiled until then is lost unless it is written before, and a
 * signal of ours that is still pending kills the new program, which has no handler for it.
 *
 * While the profiler runs, process.execve is a function of ours around the original, which does both and then calls it.
 */
import type { ForkComponent } from './fork-component.js';

type Execve = (...args: unknown[]) => unknown;

/** What to do around the call. */
export interface AroundExec {
  /** Delivers the last period and stops all signals. Must not throw. */
  before(): void;
  /** The call has failed, so the program goes on. Must not throw. */
  afterFailure(): void;
}

interface State {
  /** What the property held before us, while it holds ours. */
  original: Execve | undefined;
  ours: Execve | undefined;
}

const fresh = (): State => ({ original: undefined, ours: undefined });

/** Puts the function in place, and takes it away. Node 20 has no process.execve; then it does nothing. */
export class ExecveGuard implements ForkComponent {
  readonly name = 'execve';
  readonly #around: AroundExec;
  readonly #holder: { execve?: Execve };
  #state = fresh();

  /** @param holder `process`, except in tests */
  constructor(around: AroundExec, holder: object = process) {
    this.#around = around;
    this.#holder = holder;
  }

  start(): void {
    const original = this.#holder.execve;
    if (typeof original !== 'function' || this.#state.ours !== undefined) return;
    const around = this.#around;
    const inPlace = (): boolean => this.#state.ours === ours;
    const ours = function execve(this: unknown, ...args: unknown[]): unknown {
      if (!inPlace()) return original.apply(this, args);
      around.before();
      try {
        return original.apply(this, args);
      } catch (error) {
        around.afterFailure();
        throw error;
      }
    };
    Object.defineProperty(ours, 'length', { value: original.length, configurable: true });
    this.#holder.execve = ours;
    this.#state = { original, ours };
  }

  /** Leaves a function alone that somebody else has put around ours. That one goes on calling ours, which then does nothing of its own. */
  hooksOff(): void {
    const { original, ours } = this.#state;
    if (original !== undefined && this.#holder.execve === ours) this.#holder.execve = original;
    this.#state = fresh();
  }

  resetAfterFork(): void {
    this.#state = fresh();
  }
}
