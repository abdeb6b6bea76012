/**
 * Turns a pprof into the body of an OTLP profiles request. The work is the native half's; docs/otlp.md says what becomes of what.
 */
import { fromNative } from './errors.js';
import { forkAware } from './fork/aware.js';
import type { NativeApi, OtlpOptions } from './native-api.js';
import { offThread } from './off-thread.js';

/**
 * Encodes on another thread.
 *
 * Rejects with ERR_PRONGHORN_INVALID_PROFILE if `data` is no pprof, with ERR_PRONGHORN_INVALID_OPTION, and with ERR_PRONGHORN_FORKED in a child
 * that was forked off in the meantime.
 *
 * @param data pprof, gzipped or not; may be changed as soon as this returns
 */
export function encodeOtlp(native: NativeApi, data: Uint8Array, options: OtlpOptions): Promise<Buffer> {
  const { promises } = forkAware(native);
  const encode = async (): Promise<Buffer> => {
    const work = native.encodeOtlp(data, options);
    return offThread(() => native.encodedOtlp(work));
  };
  // The profiler may be off: nothing else would notice a fork.
  return promises.track(encode(), { deliver: (body) => body, fail: fromNative, unwatched: true });
}
