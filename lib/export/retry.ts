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

/** More than anybody waits, and less than a timer can hold. */
const MOST_ASKED_MS = 365 * 86_400_000;
/** The dates of RFC 9110, section 5.6.7, but for the last, which has no zone and means GMT. Date.parse() takes numbers and much else for a date. */
const WITH_ZONE = /^[A-Z][a-z]+, \d.* GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

/**
 * Reads a Retry-After header: a number of seconds, or a date in any of the three forms that recipients have to take (RFC 9110, sections 10.2.3 and 5.6.7).
 *
 * @param value the header's value
 * @param nowMs the time since the epoch
 * @returns milliseconds from now, at most a year, or undefined if it says nothing
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) return Math.min(MOST_ASKED_MS, Number(text) * 1_000);
  const at = WITH_ZONE.test(text) ? Date.parse(text) : ASCTIME.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(MOST_ASKED_MS, Math.max(0, at - nowMs));
}

/** Whether an answer is worth another attempt: too many requests, and a server's own failures. Never another 4xx. */
export function mayRetry(status: number): boolean {
  return status === 429 || status >= 500;
}
