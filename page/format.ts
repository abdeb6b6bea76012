/**
 * Values and places as text.
 */
import type { ProfileDocument } from './document.js';

/** How large values of a unit are written. */
const SCALES: ReadonlyMap<string, [least: number, suffix: string][]> = new Map([
  ['nanoseconds', [[1e9, ' s'], [1e6, ' ms'], [1e3, ' µs'], [1, ' ns']]],
  ['bytes', [[2 ** 30, ' GiB'], [2 ** 20, ' MiB'], [2 ** 10, ' KiB'], [1, ' B']]],
]);

/** @param like a value whose scale counts, for columns that compare at a glance */
export function amount(value: number, unit: string, like = value): string {
  const scales = SCALES.get(unit);
  if (scales === undefined) {
    const number = value.toLocaleString('en-US', { maximumFractionDigits: 1 });
    return unit === 'count' || unit === '' ? number : `${number} ${unit}`;
  }
  if (value === 0) return '0';
  const [least, suffix] = scales.find(([each]) => Math.abs(like) >= each) ?? scales.at(-1)!;
  const number = value / least;
  const digits = least === 1 ? 0 : Math.abs(like) >= 100 * least && suffix !== ' s' ? 1 : suffix === ' s' && like !== value ? 3 : 2;
  return `${number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}${suffix}`;
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return '–';
  const share = (100 * part) / whole;
  if (share !== 0 && Math.abs(share) < 0.05) return share < 0 ? '> -0.1%' : '< 0.1%';
  return `${share.toFixed(1)}%`;
}

/** With its sign, also that of a gain. */
export function signed(text: string, value: number): string {
  return value > 0 ? `+${text}` : text.replace(/^-/, '−');
}

/** How much of what was there has come or gone. */
export function relativeChange(after: number, before: number): string {
  if (after === before) return 'the same';
  if (before === 0) return 'new';
  if (after === 0) return 'gone';
  const change = after / before - 1;
  if (change >= 10) return `${(after / before).toLocaleString('en-US', { maximumFractionDigits: 0 })}×`;
  return change >= 1 ? `+${(100 * change).toFixed(0)}%` : signed(percent(change, 1), change);
}

/** File and line of a function; empty if neither is known. */
export function placeOf(doc: ProfileDocument, fn: number): string {
  const file = (doc.files[fn] ?? '').replace(/^file:\/\//, '');
  const line = doc.lines[fn] ?? 0;
  return line > 0 && file !== '' ? `${file}:${line}` : file;
}

/** The last parts of a path, which say most. */
export function shortPlace(doc: ProfileDocument, fn: number): string {
  const place = placeOf(doc, fn);
  const parts = place.split('/');
  const modules = parts.lastIndexOf('node_modules');
  if (modules !== -1) return parts.slice(modules + 1).join('/');
  return parts.length <= 4 ? place : `…/${parts.slice(-3).join('/')}`;
}

export function time(nanos: number): string {
  return new Date(nanos / 1e6).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
