/**
 * pronghorn: a CPU and wall-time profiler for Node.js that reads V8's stacks itself and writes pprof.
 *
 * Importing this module does nothing but define: the native half is loaded by the first call.
 */
import { createApi } from './lib/api.js';
import { loadNative } from './lib/native.js';

export const { start, stop, profile } = createApi(loadNative);

export type { ProfileOptions } from './lib/api.js';
export type { FailureMessage, ProfileMessage, StartMessage } from './lib/channels.js';
export { AbortedError, AlreadyStartedError, type ErrorCode, InvalidOptionError, PronghornError } from './lib/errors.js';
export type { Capabilities, LayoutProof, LeftBehind, NativeFrames, Stats } from './lib/native-api.js';
export type { ResolvedOptions, StartOptions } from './lib/options.js';
export type { Profile } from './lib/profile.js';
export type { Profiler } from './lib/profiler.js';
