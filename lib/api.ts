/**
 * start(), stop() and profile(): the functions of the package, over whichever native half they are given.
 */
import { callerOf, type StartedBy } from './caller.js';
import { AbortedError, AlreadyStartedError, InvalidOptionError, notStarted, PronghornError } from './errors.js';
import { forkAware } from './fork/aware.js';
import { CONTINUOUS_NAMES, type ContinuousOptions } from './export/options.js';
import type { ResolvedContinuous } from './export/resolve.js';
import { grouped } from './grouped.js';
import { isMainThread } from './main-thread.js';
import type { NativeApi } from './native-api.js';
import { exporting } from './on-demand.js';
import { encodeOtlp } from './otlp-encoder.js';
import { optionsKey, type ResolvedOptions, type SamplingOptions, type TestOptions, testOptions, validateOptions } from './options.js';
import type { Profile } from './profile.js';
import { Profiler } from './profiler.js';
import { type Entry, type Owner, Registry } from './registry.js';
import { say } from './stderr.js';
import { LONGEST_TIMER } from './time.js';

/** What `profile()` takes: how long, and how to profile. */
export interface ProfileOptions extends SamplingOptions {
  /** How long to profile, in milliseconds: an integer from 1 to 2,147,483,647. */
  durationMs: number;
  /** Ends the profile early; the promise then rejects with ERR_PRONGHORN_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** What `start()` takes: how to profile, and where the profiles go by themselves. */
export interface StartOptions extends SamplingOptions, ContinuousOptions {}

/** The functions that index.ts exports. */
export interface Api {
  /**
   * Starts the profiler, or returns the one that runs with the same options.
   *
   * @throws InvalidOptionError (ERR_PRONGHORN_INVALID_OPTION) for an option that is unknown or out of range
   * @throws AlreadyStartedError (ERR_PRONGHORN_ALREADY_STARTED) naming who started the one that runs
   * @throws PronghornError (ERR_PRONGHORN_UNSUPPORTED_RUNTIME) with the reason and how to allow it
   */
  start(options?: StartOptions): Profiler;
  /**
   * Stops the profiler, whoever started it, and resolves with the last period: with exporters, when all that was to be sent has arrived or `stopTimeoutMs` have
   * passed. Called again before that, it gives the same.
   * Rejects with ERR_PRONGHORN_NOT_STARTED where nothing runs.
   */
  stop(): Promise<Profile>;
  /**
   * Profiles for a while. No one else can start the profiler in the meantime; if it runs already, this rejects with
   * ERR_PRONGHORN_ALREADY_STARTED. The wait keeps the process alive.
   */
  profile(options: ProfileOptions): Promise<Profile>;
  /**
   * In a child of fork(2), for a program that forks by an addon of its own: resets the profiler at once, and starts it again unless the
   * option `afterFork` says 'stop'. Without this call that happens before the child's event loop first polls, or at the next call
   * of this package. Whoever forks has to call uv_loop_fork() itself.
   *
   * @returns whether there was anything to reset; false in a process that was not forked off, and at a second call
   * @throws PronghornError ERR_PRONGHORN_FORKED if the reset failed, with the reason as its cause; ERR_PRONGHORN_FORKED_IN_WORKER if a worker thread
   *   forked
   */
  resetAfterFork(): boolean;
}

/**
 * Builds the functions.
 *
 * @param load returns the native half or throws ERR_PRONGHORN_UNSUPPORTED_RUNTIME; not called before one of the functions is
 */
export function createApi(load: () => NativeApi): Api {
  function start(options?: StartOptions): Profiler {
    return startAs(load, callerOf(start), options);
  }

  // Not async: the promises of these two are ours, known to the chain, and not wrapped in another that a fork would leave unhandled.
  function stop(): Promise<Profile> {
    try {
      const current = running(load);
      if (current === undefined) throw notStarted();
      return current.profiler.stop();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function profile(options: ProfileOptions): Promise<Profile> {
    try {
      return profileAs(load, callerOf(profile), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function resetAfterFork(): boolean {
    const native = loaded(load);
    return native !== undefined && forkAware(native).chain.resetAfterFork();
  }

  return { start, stop, profile, resetAfterFork };
}

function profileAs(load: () => NativeApi, startedBy: StartedBy, options: ProfileOptions): Promise<Profile> {
  const resolved = validateOptions(options, ['durationMs', 'signal']);
  const test = testOptions(options);
  const durationMs = checkDuration(options?.durationMs);
  const signal = checkSignal(options.signal);
  if (signal?.aborted) throw new AbortedError(signal.reason);
  const profiler = startExclusively(load, startedBy, resolved, test, 'profile()');
  const wait = sleep(durationMs, signal);
  const checkAborted = (): void => {
    if (signal?.aborted) throw new AbortedError(signal.reason);
  };
  return forkAware(load()).promises.track(
    wait.over.then(() => profiler.stop()),
    {
      deliver: (last) => {
        checkAborted();
        return last;
      },
      fail: checkAborted,
      abandon: wait.end,
    },
  );
}

/**
 * Starts a profiler that is shared with nobody.
 *
 * @param startedBy as below
 * @param owner whose it is
 */
export function startExclusively(
  load: () => NativeApi,
  startedBy: StartedBy,
  options: ResolvedOptions,
  test: TestOptions,
  owner: Owner,
): Profiler {
  const native = ready(load);
  const current = new Registry(native).current;
  if (current !== undefined) throw alreadyStarted(current);
  return new Profiler({ native, options, test, startedBy, owner });
}

/**
 * start() on behalf of somebody: `register` starts the profiler too, and has no caller to name.
 *
 * @param startedBy what a later ERR_PRONGHORN_ALREADY_STARTED will say
 * @param keepsUndelivered whether the starter calls giveUpDelivery() in the end
 */
export function startAs(load: () => NativeApi, startedBy: StartedBy, options?: StartOptions, keepsUndelivered = false): Profiler {
  const resolved = validateOptions(options, CONTINUOUS_NAMES);
  const continuous = continuousOf(load, options);
  const test = testOptions(options);
  const native = ready(load);
  const current = new Registry(native).current;
  if (current === undefined) {
    const profiler = new Profiler({ native, options: resolved, continuous, keepsUndelivered, test, startedBy, owner: undefined });
    continuous?.problems.forEach(say);
    return profiler;
  }
  const shareable = !current.exclusive && current.stopping !== true && current.failed === undefined;
  if (shareable && current.optionsKey === optionsKey(resolved, test, continuous?.key)) return current.profiler;
  throw alreadyStarted(current);
}

/** What the options say of exporters, if they say anything. */
function continuousOf(load: () => NativeApi, options: StartOptions | undefined): ResolvedContinuous | undefined {
  if (options === undefined || CONTINUOUS_NAMES.every((name) => options[name] === undefined)) return undefined;
  return exporting().resolveContinuous(options, {
    env: process.env,
    encodeOtlp: (data, how) => encodeOtlp(load(), data, how),
    hasThreadPool: () => forkAware(load()).chain.hasThreadPool,
  });
}

/**
 * The native half, in a process and on a thread where the profiler can be started.
 *
 * A session belongs to the main thread: one that a worker started would have to end with the worker.
 */
function ready(load: () => NativeApi): NativeApi {
  const native = load();
  const { chain } = forkAware(native);
  chain.resetAfterFork();
  if (chain.refusal !== undefined) throw chain.refusal;
  if (isMainThread) return native;
  const reason = 'the profiler is started on the main thread; a worker that loads the package takes part by itself';
  throw new PronghornError('ERR_PRONGHORN_UNSUPPORTED_RUNTIME', reason);
}

/**
 * What a first start() has to do whatever its options are, ahead of it: on the main thread, the native half and the fork chain. A program imports packages before
 * it has anything to do, and starts a profiler in the middle of its work. Never throws: what goes wrong is said by the first call that needs it.
 */
export function prepare(load: () => NativeApi): void {
  if (!isMainThread) return;
  try {
    ready(load);
  } catch {
    // See above.
  }
}

/** What runs. Where the native half cannot be loaded, nothing does. */
function running(load: () => NativeApi): Entry | undefined {
  const native = loaded(load);
  if (native === undefined) return undefined;
  forkAware(native).chain.resetAfterFork();
  return new Registry(native).current;
}

function loaded(load: () => NativeApi): NativeApi | undefined {
  try {
    return load();
  } catch {
    return undefined;
  }
}

function alreadyStarted(current: Entry): AlreadyStartedError {
  return new AlreadyStartedError(current.startedBy, whyNotShared(current));
}

function whyNotShared(current: Entry): string {
  if (current.failed !== undefined) return `and has failed (${current.failed}); stop() it first`;
  if (current.stopping === true) return 'and is just stopping; await stop() first';
  if (current.owner === 'startCluster()') return 'through startCluster(), which shares it with nobody; stop() that session first';
  if (current.exclusive) return `through ${current.owner ?? 'profile()'}, which shares it with nobody; await that first`;
  return 'and still runs; only start() with equal options shares it';
}

/** @throws InvalidOptionError */
export function checkDuration(value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LONGEST_TIMER) return value as number;
  throw new InvalidOptionError('durationMs', value, `an integer from 1 to ${grouped(LONGEST_TIMER)}`);
}

/** @throws InvalidOptionError */
export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const like = value as Partial<AbortSignal> | null;
  if (typeof like?.aborted === 'boolean' && typeof like.addEventListener === 'function') return value as AbortSignal;
  throw new InvalidOptionError('signal', value, 'an AbortSignal');
}

/** Waits, at most until the signal is aborted or `end` is called. Leaves neither timer nor listener behind. */
export function sleep(ms: number, signal: AbortSignal | undefined): { over: Promise<void>; end: () => void } {
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
  return { over, end };
}
