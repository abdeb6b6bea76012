/**
 * startCluster() and profileCluster(): the functions of the package for cluster primaries.
 */
import { callerOf } from '../caller.js';
import type { ClusterProfile } from './profile.js';
import type { ClusterSession } from './session.js';
import type { NativeApi } from '../native-api.js';
import { cluster } from '../on-demand.js';
import type { SamplingOptions } from '../options.js';

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

/**
 * Builds the functions.
 *
 * @param load returns the native half or throws ERR_PRONGHORN_UNSUPPORTED_RUNTIME; called as late as possible
 */
export function createClusterApi(load: () => NativeApi): ClusterApi {
  function startCluster(options?: ClusterOptions): ClusterSession {
    return cluster().startSession(load, callerOf(startCluster), options, [], 'startCluster()');
  }

  function profileCluster(options: ProfileClusterOptions): Promise<ClusterProfile> {
    try {
      return cluster().profileSession(load, callerOf(profileCluster), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  return { startCluster, profileCluster };
}
