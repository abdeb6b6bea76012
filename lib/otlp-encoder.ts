/**
 * Turns a pprof into the body of an OTLP profiles request. The work is the native half's; docs/otlp.md says what becomes of what.
 */
import { fromNative } from './errors.js';
import type { NativeApi, OtlpOptions } from './native-api.js';

/** The part of the native half that is used here. */
type Encoder = Pick<NativeApi, 'encodeOtlp' | 'encodeOtlpSync'>;

/**
 * Encodes off the main thread. In a child of a fork without handlers there is no thread pool, and this thread encodes.
 *
 * @param data pprof, gzipped or not; may be changed as soon as this returns
 * @param hasThreadPool whether libuv's thread pool works in this process
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if `data` is no pprof; ERR_PRONGHORN_INVALID_OPTION;
 *   ERR_PRONGHORN_FORKED in a child of a fork, where the promise was the parent's
 */
export async function encodeOtlp(native: Encoder, data: Uint8Array, options: OtlpOptions, hasThreadPool = true): Promise<Buffer> {
  try {
    return hasThreadPool ? await native.encodeOtlp(data, options) : native.encodeOtlpSync(data, options);
  } catch (error) {
    throw fromNative(error);
  }
}
