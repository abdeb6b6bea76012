/**
 * startCluster() and profileCluster(): the functions of the package for cluster primaries.
 */
import { checkDuration, checkSignal, sleep, startExclusively } from '../api.js';
import { callerOf } from '../caller.js';
import { grouped } from '../grouped.js';
import { hookCluster } from './hook.js';
import type { ClusterProfile } from './profile.js';
import { ClusterSession } from './session.js';
import { AbortedError, InvalidOptionError, PronghornError } from '../errors.js';
import { forkAware } from '../fork/aware.js';
import { isMainThread } from '../main-thread.js';
import type { NativeApi } from '../native-api.js';
import { type SamplingOptions, testOptions, validateOptions } from '../options.js';
import type { Owner } from '../registry.js';
import { LONGEST_TIMER } from '../time.js';

/** What `startCluster()` takes: how long to wait for a worker, and all that `start()` takes. */
export interface ClusterOptions extends SamplingOptions {
  /** How long one worker may take to answer, in milliseconds: an integer from 1 to 2,147,483,647. Default 5,000. */
  workerTimeoutMs?: number | undefined;
}

/** What `profileCluster()` takes. */
export interface ProfileClusterOptions extends ClusterOptions {
  /** How long to profile, in milliseconds: an integer from 1 to 2,147,483,647. */
  durationMs: number;
  /** Ends the profile early; the promise then rejects with ERR_PRONGHORN_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** The functions that index.ts exports. */
export interface ClusterApi {
  /**
   * Starts the profiler in this cluster primary, in its workers, and in every worker that is forked from now on.
   *
   * @throws what `start()` throws; ERR_PRONGHORN_ALREADY_STARTED also if this process's profiler runs with equal options; ERR_PRONGHORN_UNSUPPORTED_RUNTIME in
   *   a cluster worker
   */
  startCluster(options?: ClusterOptions): ClusterSession;
  /** Profiles the whole cluster for a while. The wait keeps the process alive. Rejects as `startCluster()` throws. */
  profileCluster(options: ProfileClusterOptions): Promise<ClusterProfile>;
}

const DEFAULT_WORKER_TIMEOUT_MS = 5_000;

/**
 * Builds the functions.
 *
 * @param load returns the native half or throws ERR_PRONGHORN_UNSUPPORTED_RUNTIME; called as late as possible
 */
export function createClusterApi(load: () => NativeApi): ClusterApi {
  function startCluster(options?: ClusterOptions): ClusterSession {
    return startSession(load, callerOf(startCluster), options, [], 'startCluster()');
  }

  function profileCluster(options: ProfileClusterOptions): Promise<ClusterProfile> {
    try {
      return profileSession(load, callerOf(profileCluster), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  return { startCluster, profileCluster };
}

function startSession(
  load: () => NativeApi,
  startedBy: string,
  options: ClusterOptions | undefined,
  extra: readonly string[],
  owner: Owner,
): ClusterSession {
  const resolved = validateOptions(options, ['workerTimeoutMs', ...extra]);
  const test = testOptions(options);
  const workerTimeoutMs = checkTimeout(options?.workerTimeoutMs);
  const hook = isMainThread ? hookCluster() : undefined;
  if (hook === undefined) {
    const reason = 'a cluster is profiled from the main thread of its primary; this is a worker, which takes part by itself';
    throw new PronghornError('ERR_PRONGHORN_UNSUPPORTED_RUNTIME', reason);
  }
  const native = load();
  const profiler = startExclusively(load, startedBy, resolved, test, owner);
  return new ClusterSession({ native, hook, profiler, options: resolved, test, workerTimeoutMs });
}

function profileSession(load: () => NativeApi, startedBy: string, options: ProfileClusterOptions): Promise<ClusterProfile> {
  validateOptions(options, ['workerTimeoutMs', 'durationMs', 'signal']);
  const durationMs = checkDuration(options?.durationMs);
  const signal = checkSignal(options.signal);
  if (signal?.aborted) throw new AbortedError(signal.reason);
  const session = startSession(load, startedBy, options, ['durationMs', 'signal'], 'profileCluster()');
  const wait = sleep(durationMs, signal);
  const checkAborted = (): void => {
    if (signal?.aborted) throw new AbortedError(signal.reason);
  };
  return forkAware(load()).promises.track(
    wait.over.then(() => session.stop()),
    {
      deliver: (profile) => {
        checkAborted();
        return profile;
      },
      fail: checkAborted,
      abandon: wait.end,
    },
  );
}

function checkTimeout(value: unknown): number {
  if (value === undefined) return DEFAULT_WORKER_TIMEOUT_MS;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LONGEST_TIMER) return value as number;
  throw new InvalidOptionError('workerTimeoutMs', value, `an integer from 1 to ${grouped(LONGEST_TIMER)}`);
}
