/**
 * When to try again: exponential backoff with full jitter, and what a server says in Retry-After.
 */

/** The longest pause that the first failure leads to, in milliseconds; each further one doubles it. */
const FIRST_MS = 1_000;
/** The longest pause of all. */
const LONGEST_MS = 60_000;

/**
 * The pause after a failure: anything from nothing to a limit that doubles with each failure, so that many processes which failed together do not
 * come back together.
 *
 * @param failures how many attempts have failed, from 1
 * @param random a number from 0 to 1
 * @returns milliseconds
 */
export function backoffMs(failures: number, random: number): number {
  return random * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 30));
}

/**
 * Reads a Retry-After header: a number of seconds, or a date (RFC 9110, section 10.2.3).
 *
 * @param value the header's value
 * @param nowMs the time since the epoch
 * @returns milliseconds from now, or undefined if it says nothing
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  // Only what looks like a date: Date.parse takes numbers and much else for one.
  const at = /^[A-Z][a-z]+, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** Whether an answer is worth another attempt: too many requests, and a server's own failures. Never another 4xx. */
export function mayRetry(status: number): boolean {
  return status === 429 || status >= 500;
}
