/**
 * Gets the bytes of a pprof file, ours or another profiler's: bounded in size, and without their compression.
 */
import { readFileSync, statSync } from 'node:fs';
import { PronghornError } from '../errors.js';
import { WireError } from './protobuf.js';

/** Largest file that is read. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** Largest profile that a file may expand to. */
const MAX_PROFILE_BYTES = 512 * 1024 * 1024;

/**
 * The bytes of a file that may be a profile.
 *
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if it is no file or too large
 */
export function profileBytes(path: string): Buffer {
  try {
    return readBytes(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * The error for a profile that cannot be read.
 *
 * @param name the file, or what else the profile is called
 */
export function unreadable(name: string, error: unknown): PronghornError {
  if (error instanceof PronghornError) return error;
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  const reason = missing ? 'there is no such file' : error instanceof Error ? error.message : String(error);
  return new PronghornError('ERR_PRONGHORN_INVALID_PROFILE', `${name} cannot be read as a pprof profile: ${reason}`, { cause: error });
}

function readBytes(path: string): Buffer {
  const stat = statSync(path);
  if (!stat.isFile()) throw new WireError('it is not a file');
  if (stat.size > MAX_FILE_BYTES) throw new WireError(`it has ${stat.size} bytes, more than the ${MAX_FILE_BYTES} that are read`);
  return readFileSync(path);
}

/**
 * What a file says without its compression, if it has one.
 *
 * @throws WireError
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return isGzip(bytes) ? expand(bytes) : bytes;
}

/** Whether bytes begin as gzip does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function expand(bytes: Uint8Array): Uint8Array {
  try {
    // Not imported: that would cost every program 1 MB (Node 26).
    return process.getBuiltinModule('node:zlib').gunzipSync(bytes, { maxOutputLength: MAX_PROFILE_BYTES });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'Z_BUF_ERROR') throw new WireError('it is truncated');
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new WireError(`it expands to more than ${MAX_PROFILE_BYTES} bytes`);
    throw new WireError(`its gzip data is damaged (${error instanceof Error ? error.message : String(error)})`);
  }
}
