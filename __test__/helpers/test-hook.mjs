// The test-only options of start(), under the one key that lib/ gives them.
import { TEST_OPTIONS } from '../../build/lib/options.js';

export { TEST_OPTIONS };

/** Options with test-only ones added: `intervalNanos` (below the public minimum too) and `v8Version`. */
export function withHook(options, hook) {
  return hook === undefined ? options : { ...options, [TEST_OPTIONS]: hook };
}
