/**
 * Worker threads: one that imports this package, or inherits `--import pronghorn/register`, takes part in the session that the main
 * thread has started.
 */
import * as workerThreads from 'node:worker_threads';
import { publishFailure } from './channels.js';
import { fromNative } from './errors.js';
import type { NativeApi } from './native-api.js';

/**
 * Does nothing on the main thread. On a worker: takes part, if the profiler runs. Never throws.
 *
 * @param load returns the native half or throws; not called on the main thread
 */
export function joinAsWorker(load: () => NativeApi): void {
  if (workerThreads.isMainThread) return;
  try {
    const native = load();
    native.joinThread(workerName());
  } catch (error) {
    publishFailure({ error: fromNative(error) });
  }
}

/** The name that the worker was given, where this version of Node tells it, or its number. */
function workerName(): string {
  const { threadName } = workerThreads as { threadName?: string };
  return threadName || `worker ${workerThreads.threadId}`;
}
