/**
 * What `pronghorn/register` does on the main thread; loaded by it alone.
 */
import type { NativeApi } from './native-api.js';
import { register } from './on-demand.js';
import { say } from './stderr.js';

/**
 * Starts the profiler and arranges for the file. Never throws.
 *
 * @param load returns the native half or throws
 */
export function profileWholeProgram(load: () => NativeApi): void {
  try {
    register().profileWholeProgram(load);
  } catch (error) {
    // A file of the package is missing.
    say(`not profiling this program: ${error instanceof Error ? error.message : String(error)}`);
  }
}
