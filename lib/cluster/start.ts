/**
 * How a session of a cluster begins: what startCluster() and profileCluster() do.
 */
import { checkDuration, checkSignal, sleep, startExclusively } from '../api.js';
import type { StartedBy } from '../caller.js';
import type { ClusterOptions, ProfileClusterOptions } from './api.js';
import { grouped } from '../grouped.js';
import { hookCluster } from './hook.js';
import type { ClusterProfile } from './profile.js';
import { ClusterSession } from './session.js';
import { AbortedError, InvalidOptionError, PronghornError } from '../errors.js';
import { forkAware } from '../fork/aware.js';
import { isMainThread } from '../main-thread.js';
import type { NativeApi } from '../native-api.js';
import { testOptions, validateOptions } from '../options.js';
import type { Owner } from '../registry.js';
import { LONGEST_TIMER } from '../time.js';

const DEFAULT_WORKER_TIMEOUT_MS = 5_000;

/**
 * startCluster(), and the beginning of profileCluster().
 *
 * @param startedBy who has called
 * @param extra names of further options, which the caller checks
 * @throws what `startCluster()` throws
 */
export function startSession(
  load: () => NativeApi,
  startedBy: StartedBy,
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

/** profileCluster(). Throws what that rejects with before it has begun. */
export function profileSession(load: () => NativeApi, startedBy: StartedBy, options: ProfileClusterOptions): Promise<ClusterProfile> {
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
