/**
 * What an exporter is: it takes one profile to one place. Everything else, retries, the queue, forks, is done for it.
 */
import { PronghornError } from '../errors.js';
import type { Profile } from '../profile.js';

/** One profile on its way, with what servers want to know beside it. */
export interface Report {
  readonly profile: Profile;
  /** The name of the service that is profiled. */
  readonly service: string;
  /** Labels of the whole process, the same for each of its profiles. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Takes profiles to one place. */
export interface Exporter {
  /** What errors, events and statistics call it, for example "pyroscope". Must hold no secret. */
  readonly name: string;
  /** If the place refuses profiles that have begun longer ago than this, in milliseconds: they are not kept for longer. */
  readonly longestAgeMs?: number;
  /**
   * Makes one attempt. Called again, after a pause, for the same report if it rejects with an ExportError that may be tried again; whatever else it throws
   * or rejects with ends this profile. Never called again before it has settled, unless `signal` was aborted.
   *
   * @param report what to send
   * @param signal aborted when nobody waits for it any more: it took too long, the time of a stop is over, or this is a forked child
   * @returns what came of it, when the place has all of it. Without `bytes`, or with nothing at all, the size of the profile is counted
   */
  send(report: Report, signal: AbortSignal): Promise<Sent>;
  /**
   * The same on the calling thread, before it returns, for the process's end. Only where that is possible.
   *
   * @throws whatever keeps it from arriving
   */
  sendSync?(report: Report): Sent;
}

/** A profile has arrived. */
export interface Sent {
  /** What was sent or written. */
  readonly bytes: number;
  /** The answer of an HTTP server. */
  readonly status?: number;
  /** The file that was written. */
  readonly path?: string;
}

/** How an attempt failed. */
export interface Failed {
  /** Whether the same may succeed later. */
  readonly retry: boolean;
  /** How long the place asks to be left alone, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The answer of an HTTP server. */
  readonly status?: number | undefined;
  /** The size of the body that it was an answer to. */
  readonly bytes?: number | undefined;
}

/** An attempt that failed. Its message never holds a header, a password or what stands before the `@` of a URL. */
export class ExportError extends PronghornError {
  readonly retry: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;
  readonly bytes: number | undefined;

  constructor(message: string, { retry, retryAfterMs, status, bytes }: Failed, options?: ErrorOptions) {
    super('ERR_PRONGHORN_EXPORT_FAILED', message, options);
    this.retry = retry;
    this.retryAfterMs = Number.isFinite(retryAfterMs) ? retryAfterMs : undefined;
    this.status = status;
    this.bytes = bytes;
  }
}

/** Whatever an exporter has thrown, as an ExportError. What it did not foresee is not tried again. */
export function exportError(name: string, error: unknown): ExportError {
  if (error instanceof ExportError) return error;
  return new ExportError(`${name}: ${messageOf(error)}`, { retry: false }, { cause: error });
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return 'it has thrown something that cannot be shown';
  }
}

/** What an exporter of the application's own says, where it may say nothing, or anything: then it is taken to have sent the profile as it is. Never throws. */
export function sentOf(how: unknown, { profile }: Report): Sent {
  try {
    const { bytes, status, path } = (typeof how === 'object' && how !== null ? how : {}) as { bytes?: unknown; status?: unknown; path?: unknown };
    return {
      bytes: Number.isSafeInteger(bytes) && (bytes as number) >= 0 ? (bytes as number) : profile.data.length,
      ...(Number.isInteger(status) ? { status: status as number } : {}),
      ...(typeof path === 'string' ? { path } : {}),
    };
  } catch {
    return { bytes: profile.data.length };
  }
}

/**
 * The same of sendSync().
 *
 * @throws ExportError if it is a promise: nobody can know what comes of that
 */
export function sentNow(how: unknown, report: Report): Sent {
  if (!(how instanceof Promise)) return sentOf(how, report);
  how.catch(() => undefined);
  throw new ExportError('sendSync() has returned a promise', { retry: false });
}
