/**
 * Lengths of time as people type and read them.
 */

/** Milliseconds of each unit that can be typed. A number without one is seconds, as for sleep(1), perf and py-spy. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, '': 1_000, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** What can be typed, as a phrase that ends the sentence "x must be …". */
export const DURATION_ALLOWED = 'seconds, or a number with ms, s, m or h behind it, from 1 ms to 24 days';

const LONGEST_MS = 24 * 24 * 3_600_000;

/** @returns whole milliseconds, or undefined for what is no such length */
export function parseDuration(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?) ?([a-z]*)$/.exec(text.trim()) ?? [];
  const unitMs = Object.hasOwn(UNITS, unit) ? UNITS[unit]! : NaN;
  const ms = number === '' ? NaN : Math.round(Number(number) * unitMs);
  return ms >= 1 && ms <= LONGEST_MS ? ms : undefined;
}

/** Such as "500 ms", "1.5 s", "2 min 30 s" or "1 h 5 min": the two largest units. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Math.floor(ms / 100) / 10} s`;
  const seconds = Math.floor(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? pair(hours, 'h', minutes, 'min') : pair(minutes, 'min', seconds % 60, 's');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
