/**
 * process.execve() replaces the program and keeps the process: whatever was profiled until then is lost unless it is written before, and a
 * signal of ours that is still pending kills the new program, which has no handler for it.
 *
 * While the profiler runs, process.execve is a function of ours around the original, which does both and then calls it.
 */
import { syncBuiltinESMExports } from 'node:module';
import { publishError } from './channels.js';
import { fromNative, type PronghornError } from './errors.js';
import type { ForkComponent } from './fork/component.js';
import type { NativeApi } from './native-api.js';

type Execve = (...args: unknown[]) => unknown;

interface State {
  /** What the property held before us, while it holds ours. */
  original: Execve | undefined;
  ours: Execve | undefined;
  /** Whether ours does nothing of its own. */
  rests: boolean;
}

const fresh = (): State => ({ original: undefined, ours: undefined, rests: false });

/** Puts the function in place, and takes it away. Node 20 has no process.execve; then it does nothing. */
export class ExecveGuard implements ForkComponent {
  readonly name = 'execve';
  readonly #native: NativeApi;
  readonly #flush: () => void;
  readonly #fail: (error: PronghornError) => void;
  readonly #holder: { execve?: Execve };
  #state = fresh();

  /**
   * @param flush delivers the last period
   * @param fail is told if sampling cannot go on after an execve that has failed
   * @param holder `process`, except in tests
   */
  constructor(native: NativeApi, flush: () => void, fail: (error: PronghornError) => void, holder: object = process) {
    this.#native = native;
    this.#flush = flush;
    this.#fail = fail;
    this.#holder = holder;
  }

  start(): void {
    const original = this.#holder.execve;
    if (typeof original !== 'function' || this.#state.ours !== undefined) return;
    const isAwake = (): boolean => this.#state.ours === ours && !this.#state.rests;
    const before = (): void => this.#before();
    const afterFailure = (): void => this.#quietly(() => this.#native.resume(), this.#fail);
    const ours = function execve(this: unknown, ...args: unknown[]): unknown {
      if (!isAwake()) return original.apply(this, args);
      before();
      try {
        return original.apply(this, args);
      } finally {
        // It has thrown, or something that stands between us and Node has not called it.
        afterFailure();
      }
    };
    Object.defineProperty(ours, 'length', { value: original.length, configurable: true });
    if (this.#set(ours)) this.#state = { original, ours, rests: false };
  }

  /** From here on ours only calls the original. It is put back later, by hooksOff(): telling what has imported it takes a tenth of a millisecond or two, for Node looks at every module of its own. */
  rest(): void {
    this.#state.rests = true;
  }

  /** Leaves a function alone that somebody else has put around ours. That one goes on calling ours, which then does nothing of its own. */
  hooksOff(): void {
    const { original, ours } = this.#state;
    this.#state = fresh();
    if (original !== undefined && this.#holder.execve === ours) this.#set(original);
  }

  resetAfterFork(): void {
    this.#state = fresh();
  }

  /**
   * For `import { execve } from 'node:process'` too.
   *
   * @returns false where what stands there stays, since the program has frozen `process`: Node's own at a start; ours at its end, which then only calls Node's own
   */
  #set(execve: Execve): boolean {
    try {
      this.#holder.execve = execve;
      if (this.#holder === process) syncBuiltinESMExports();
    } catch {
      // The program's affair.
    }
    return this.#holder.execve === execve;
  }

  #before(): void {
    this.#quietly(this.#flush);
    this.#quietly(() => this.#native.suspend());
  }

  /** What fails here fails the profile, not the program. A child that has not been reset has no profile, and sends no signal. */
  #quietly(act: () => void, fail = (error: PronghornError): void => publishError({ error })): void {
    if (this.#native.forkState().forked) return;
    try {
      act();
    } catch (error) {
      fail(fromNative(error));
    }
  }
}
