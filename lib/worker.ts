/**
 * A worker thread that imports this package, or inherits `--import pronghorn/register`, takes part in the session that the main
 * thread has started at once, and says what it is called. The others are found (lib/threads.ts).
 */
import { publishError } from './channels.js';
import { fromNative } from './errors.js';
import { isMainThread } from './main-thread.js';
import type { NativeApi } from './native-api.js';
import { givenName, workers } from './threads.js';

/**
 * Does nothing on the main thread. On a worker: takes part, if the profiler runs. Never throws.
 *
 * @param load returns the native half or throws; not called on the main thread
 */
export function joinAsWorker(load: () => NativeApi): void {
  if (isMainThread) return;
  try {
    const native = load();
    const own = ownName();
    native.joinThread(own ?? `worker ${process.getBuiltinModule('node:worker_threads').threadId}`, own !== undefined);
    // Its own workers are nobody else's to name.
    workers.tell(native);
  } catch (error) {
    publishError({ error: fromNative(error) });
  }
}

/** What this worker is called, if it was given a name and this version of Node tells it. */
function ownName(): string | undefined {
  return givenName((process.getBuiltinModule('node:worker_threads') as { threadName?: string }).threadName);
}
