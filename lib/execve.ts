/**
 * process.execve() replaces the program and keeps the process: whatever was profiled until then is lost unless it is written before, and a
 * signal of ours that is still pending kills the new program, which has no handler for it.
 *
 * While the profiler runs, process.execve is a function of ours around the original, which does both and then calls it.
 */
import { publishFailure } from './channels.js';
import { fromNative } from './errors.js';
import type { ForkComponent } from './fork-component.js';
import type { NativeApi } from './native-api.js';

type Execve = (...args: unknown[]) => unknown;

interface State {
  /** What the property held before us, while it holds ours. */
  original: Execve | undefined;
  ours: Execve | undefined;
}

const fresh = (): State => ({ original: undefined, ours: undefined });

/** Puts the function in place, and takes it away. Node 20 has no process.execve; then it does nothing. */
export class ExecveGuard implements ForkComponent {
  readonly name = 'execve';
  readonly #native: NativeApi;
  readonly #flush: () => void;
  readonly #holder: { execve?: Execve };
  #state = fresh();

  /**
   * @param flush delivers the last period
   * @param holder `process`, except in tests
   */
  constructor(native: NativeApi, flush: () => void, holder: object = process) {
    this.#native = native;
    this.#flush = flush;
    this.#holder = holder;
  }

  start(): void {
    const original = this.#holder.execve;
    if (typeof original !== 'function' || this.#state.ours !== undefined) return;
    const inPlace = (): boolean => this.#state.ours === ours;
    const before = (): void => this.#before();
    const afterFailure = (): void => this.#quietly(() => this.#native.resume());
    const ours = function execve(this: unknown, ...args: unknown[]): unknown {
      if (!inPlace()) return original.apply(this, args);
      before();
      try {
        return original.apply(this, args);
      } catch (error) {
        afterFailure();
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
  #before(): void {
    this.#quietly(this.#flush);
    this.#quietly(() => this.#native.suspend());
  }

  /** What fails here fails the profile, not the program. A child that has not been reset has no profile, and sends no signal. */
  #quietly(act: () => void): void {
    if (this.#native.forkState().forked) return;
    try {
      act();
    } catch (error) {
      publishFailure({ error: fromNative(error) });
    }
  }
}
