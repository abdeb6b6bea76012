/**
 * pronghorn: a CPU and wall-time profiler for Node.js that reads V8's stacks itself and writes pprof.
 *
 * Importing this module never throws. On the main thread it defines, and notes the names of the workers that are made from then on; the native
 * half is loaded by the first call. A worker thread that imports it takes part in the session that runs.
 */
import { createApi } from './lib/api.js';
import { loadNative } from './lib/native.js';
import { workers } from './lib/threads.js';
import { joinAsWorker } from './lib/worker.js';

workers.watch();
joinAsWorker(loadNative);

export const { start, stop, profile, resetAfterFork } = createApi(loadNative);

export type { ProfileOptions } from './lib/api.js';
export type { FailureMessage, ProfileMessage, ResetMessage, StartMessage } from './lib/channels.js';
export { AbortedError, AlreadyStartedError, type ErrorCode, InvalidOptionError, PronghornError, WorkerUnreachableError } from './lib/errors.js';
export type { Capabilities, ForkSupport, LayoutProof, LeftBehind, NativeFrames, Stats, Threads } from './lib/native-api.js';
export type { AfterFork, ResolvedOptions, StartOptions } from './lib/options.js';
export type { Profile } from './lib/profile.js';
export type { Profiler } from './lib/profiler.js';
