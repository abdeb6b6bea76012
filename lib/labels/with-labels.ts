/**
 * withLabels() over whichever native half it is given.
 */
import { forkAware } from '../fork/aware.js';
import { type Door, labelScopes } from './scopes.js';
import type { NativeApi } from '../native-api.js';

/** The function that index.ts exports. */
export interface Labels {
  /**
   * Runs `fn` with labels: every sample taken in it, and in the asynchronous work that it starts, carries them in the profile. They come on top of
   * those of a scope around it. Works on every JavaScript thread, whether or not the profiler runs: a profile that begins later has them too.
   *
   * @param labels a plain object of at most 16 strings, with names of 1 to 128 characters. A value is cut after 512; an empty one takes off the label
   *   of a scope around it
   * @returns what `fn` returns; what it throws is thrown
   * @throws InvalidOptionError (ERR_PRONGHORN_INVALID_OPTION) for other labels; `fn` has not been called then
   */
  withLabels<T>(labels: Readonly<Record<string, string>>, fn: () => T): T;
}

/** @param load returns the native half or throws ERR_PRONGHORN_UNSUPPORTED_RUNTIME; called by the first use of labels */
export function createLabels(load: () => NativeApi): Labels {
  const door: Door = { load, resetAfterFork: (native) => forkAware(native).chain.resetAfterFork() };
  return { withLabels: (labels, fn) => labelScopes.run(door, labels, fn) };
}
