/**
 * The reset after a fork: every hook of every component off, then every component reset, then the profiler started; each round complete
 * before the next begins, in one synchronous call. Modelled on the reset of Datadog's Ruby profiler: explicit and in sequence, never a side
 * effect of a start.
 *
 * Where it is called: by the native half before the child's event loop first polls, and at the beginning of every call into the API. There is
 * one chain per JavaScript thread, shared by all copies of this package and with the native half of each in it, whichever runs; a child of a
 * fork has one JavaScript thread, the one that forked.
 *
 * The native half that is started acknowledges the fork as its last step but the ticker's start, which takes that back if it fails, and the others follow. An attempt that fails leaves
 * everything off, and the next call begins from the beginning. The registry's entry stays as the child inherited it until then, so every attempt comes to the same verdict.
 */
import { debuglog } from 'node:util';
import { publishError, publishReset } from '../channels.js';
import { fromNative, PronghornError } from '../errors.js';
import { type ForkComponent, ORDER, type Reset, type Verdict } from './component.js';
import { verdictOn } from './verdict.js';
import { isMainThread } from '../main-thread.js';
import type { ClockReading, ForkState, NativeApi } from '../native-api.js';
import { nativeComponents, resetAlone } from './native-components.js';
import { NativeHalves } from './native-halves.js';
import type { ForkTest } from '../options.js';
import { Registry } from '../registry.js';

const debug = debuglog('pronghorn');

/** What the chain itself remembers. */
interface State {
  /**
   * The process in which an attempt, or its announcement, is under way: whoever calls into the API from there finds what there is. A child that a listener
   * forks off in the middle of it has an attempt of its own.
   */
  running: number | undefined;
  /** Why the last attempt failed. */
  failure: PronghornError | undefined;
  /** Whether a fork on a worker thread has been announced. */
  announced: boolean;
}

const fresh = (): State => ({ running: undefined, failure: undefined, announced: false });

/** Runs the components. Get it from `forkAware()`. */
export class ForkChain {
  /** That of the copy which made the chain: for what is the same whichever is asked. */
  readonly #native: NativeApi;
  readonly #natives = new NativeHalves();
  readonly #registry: Registry;
  readonly #components: ForkComponent[] = [];
  #state = fresh();
  /** Outlives resets: what the kernel did not release in a child is not released in the child's children either. */
  #refusal: PronghornError | undefined;
  #test: ForkTest = {};

  constructor(native: NativeApi) {
    this.#native = native;
    this.#registry = new Registry(native);
    this.adopt(native);
  }

  /** Why nothing can be started in this process, if so. */
  get refusal(): PronghornError | undefined {
    return this.#refusal;
  }

  /** The names of those that have joined, in order. */
  get names(): string[] {
    return this.#components.map((component) => component.name);
  }

  /** Whether libuv's thread pool works in this process. */
  get hasThreadPool(): boolean {
    return this.#natives.hasThreadPool();
  }

  /**
   * Takes a native half in, with its steps. One that is in already changes nothing.
   *
   * @throws PronghornError ERR_PRONGHORN_FORKED if the process was reset without it and it cannot be; the next call tries again
   */
  adopt(native: NativeApi): void {
    if (this.#natives.has(native)) return;
    if (native !== this.#native && isMainThread && native.forkState().forked && !this.#natives.state().forked) {
      try {
        resetAlone(native, this.#native.readClock());
      } catch (error) {
        const message = `this copy of the package could not be reset in this forked process: ${fromNative(error).message}`;
        throw new PronghornError('ERR_PRONGHORN_FORKED', message, { cause: error });
      }
    }
    const leave = nativeComponents(native).map((component) => this.join(component));
    this.#natives.add(native, () => leave.forEach((each) => each()));
  }

  /**
   * Takes a component in, at the place that ORDER gives it; those of one name, from several copies of this package, stand together.
   *
   * @returns a function that takes it out
   */
  join(component: ForkComponent): () => void {
    if (!this.#components.includes(component)) {
      this.#components.push(component);
      this.#components.sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
    }
    return () => {
      const index = this.#components.indexOf(component);
      if (index !== -1) this.#components.splice(index, 1);
    };
  }

  /** Tests only: failures to inject and a clock to go by. */
  setTest(test: ForkTest): void {
    this.#test = { ...test };
  }

  /**
   * Resets this process if it has been forked off and has not been reset. Everything that the API offers calls this first. A listener that is told of something
   * meanwhile may fork: what its child has inherited of this call is given up there, and the child is reset from the beginning.
   *
   * @returns whether it did
   * @throws PronghornError ERR_PRONGHORN_FORKED if a step failed, with its error as the cause: the profiler is off, and the next call tries again.
   *   ERR_PRONGHORN_FORKED_IN_WORKER if a worker thread forked: the profiler stays off.
   */
  resetAfterFork(): boolean {
    const fork = this.#natives.state();
    if (!fork.forked) return false;
    if (fork.worker || (fork.forkingThread && !isMainThread)) throw this.#forkedInWorker(fork);
    // A worker thread that was started in the child before the main thread has reset it.
    if (!isMainThread) throw new PronghornError('ERR_PRONGHORN_FORKED', 'the main thread of this forked process has not reset the profiler yet');
    if (this.#state.running === fork.pid) {
      if (this.#state.failure !== undefined) throw this.#state.failure;
      return false;
    }
    this.#state.running = fork.pid;
    try {
      this.#attempt(fork);
    } catch (error) {
      if (this.#isIn(fork)) throw error;
    } finally {
      this.#state.running = undefined;
    }
    if (!this.#isIn(fork)) this.resetAfterFork();
    return true;
  }

  /** Whether this is still the process that `fork` has made. */
  #isIn(fork: ForkState): boolean {
    return this.#native.forkState().pid === fork.pid;
  }

  #attempt(fork: ForkState): void {
    const profiler = this.#registry.current?.profiler;
    const verdict = verdictOn(this.#registry.current, fork);
    this.#state.failure = undefined;
    let reading: ClockReading | undefined;
    try {
      for (const component of this.#all()) this.#step(fork, `hooks off: ${component.name}`, () => component.hooksOff());
      reading = this.#test.resetReading ?? this.#native.readClock();
      const reset: Reset = { reading, fork, verdict };
      for (const component of this.#all()) this.#step(fork, `reset: ${component.name}`, () => component.resetAfterFork(reset));
      if (verdict.restart) {
        for (const component of this.#all()) {
          if (component.start !== undefined) this.#step(fork, `start: ${component.name}`, () => component.start?.(reset));
        }
      } else {
        this.#step(fork, 'stay off', () => this.#natives.acknowledge());
        if (profiler !== undefined) this.#registry.clear(profiler);
      }
    } catch (error) {
      this.#failed(fork, reading, error);
    }
    this.#succeeded(fork, reading, verdict);
  }

  #succeeded(fork: ForkState, reading: ClockReading, verdict: Verdict): void {
    // The native halves have to be reset first in a child that the start's listeners have forked off, and would refuse to be acknowledged.
    if (!this.#isIn(fork)) return;
    this.#state = { ...fresh(), running: fork.pid };
    this.#refusal ??= verdict.refusal;
    // Nothing is left of them where nothing was started.
    for (const error of this.#natives.acknowledgeOthers()) publishError({ error: fromNative(error) });
    for (const component of verdict.restart ? this.#all() : []) {
      // As with a listener of the start, so with one of these errors.
      if (!this.#isIn(fork)) return;
      try {
        component.started?.();
      } catch (error) {
        publishError({ error: fromNative(error) });
      }
    }
    if (!this.#isIn(fork)) return;
    debug('pid %d, generation %d: %s', fork.pid, fork.generation, verdict.restart ? 'profiling' : `off because ${verdict.reason}`);
    if (verdict.refusal !== undefined) publishError({ error: verdict.refusal });
    this.#publish(fork, reading, verdict.restart, verdict.reason);
  }

  /** Leaves everything off, says so, and throws. */
  #failed(fork: ForkState, reading: ClockReading | undefined, cause: unknown): never {
    // Nothing has failed in a child of this process: its own attempt has yet to begin.
    if (!this.#isIn(fork)) throw cause;
    for (const component of this.#all()) {
      try {
        component.hooksOff();
      } catch {
        // The first failure is the one to tell of; the next attempt comes here again.
      }
    }
    const message = `the profiler is off in this forked process until a reset succeeds: ${fromNative(cause).message}`;
    const failure = new PronghornError('ERR_PRONGHORN_FORKED', message, { cause });
    this.#state.failure = failure;
    debug('pid %d, generation %d: failed: %s', fork.pid, fork.generation, failure.message);
    publishError({ error: failure });
    this.#publish(fork, reading, false, failure.message);
    throw failure;
  }

  #publish(fork: ForkState, reading: ClockReading | undefined, restarted: boolean, reason: string | undefined): void {
    // A listener of what was published before this may have forked.
    if (!this.#isIn(fork)) return;
    const now = reading?.monotonicNanos ?? this.#native.readClock().monotonicNanos;
    publishReset({
      generation: fork.generation,
      pid: fork.pid,
      parentPid: fork.parentPid,
      unprofiledNanos: now - fork.forkedAtMonotonicNanos,
      restarted,
      reason,
    });
  }

  /** A round's own list: a component may leave the chain during it. */
  #all(): readonly ForkComponent[] {
    return this.#components.slice();
  }

  #step(fork: ForkState, name: string, act: () => void): void {
    debug('pid %d, generation %d: %s', fork.pid, fork.generation, name);
    const { failResetStep } = this.#test;
    if (failResetStep?.step === name && failResetStep.times > 0) {
      this.#test = { ...this.#test, failResetStep: { step: name, times: failResetStep.times - 1 } };
      throw new Error(`a test makes "${name}" fail`);
    }
    act();
  }

  /** There is no main thread in such a child, and the native half stays inert by itself. */
  #forkedInWorker(fork: ForkState): PronghornError {
    const message = 'this process was forked off by a worker thread, so it has no main thread that could be profiled; the profiler stays off in it';
    const error = new PronghornError('ERR_PRONGHORN_FORKED_IN_WORKER', message);
    if (!this.#state.announced) {
      this.#state.announced = true;
      publishError({ error });
      this.#publish(fork, undefined, false, message);
    }
    return error;
  }
}
