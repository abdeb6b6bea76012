/**
 * Checks of single options. Each returns the value or throws an InvalidOptionError that names the option by its path. What may be a secret is called `hidden` in
 * errors, its value nowhere.
 */
import { InvalidOptionError } from '../errors.js';
import { grouped } from '../grouped.js';
import { unknownOption } from '../options.js';

/** In the place of a value that an error must not show. */
export const HIDDEN = '(hidden)';

export const HOUR_MS = 3_600_000;

/** An object without properties that nobody knows. Values of unknown ones may be secrets with a slip in their name. */
export function record(path: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidOptionError(path, typeof value === 'string' ? HIDDEN : value, 'an object');
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw unknownOption(`${path}.${name}`, HIDDEN, known.map((one) => `${path}.${one}`));
  }
  return value as Record<string, unknown>;
}

/** @param shown what an error shows in its place */
export function text(path: string, value: unknown, shown = value): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw new InvalidOptionError(path, value === '' ? value : shown, 'a string that is not empty');
  return wellFormed(path, value, shown);
}

/** Half of a character cannot be sent to anybody. */
function wellFormed(path: string, value: string, shown: unknown): string {
  if (/\p{Surrogate}/u.test(value)) throw new InvalidOptionError(path, shown, 'well-formed text, without lone surrogates');
  return value;
}

export function required<T>(path: string, value: T | undefined, allowed: string): T {
  if (value === undefined) throw new InvalidOptionError(path, value, allowed);
  return value;
}

export function integer(path: string, value: unknown, min: number, max: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw new InvalidOptionError(path, value, `an integer from ${grouped(min)} to ${grouped(max)}`);
}

/**
 * Names with texts.
 *
 * @param shows whether errors may show what stands there
 */
export function texts(path: string, value: unknown, { shows = true } = {}): Record<string, string> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidOptionError(path, typeof value === 'object' ? value : HIDDEN, 'an object of strings');
  for (const [name, one] of Object.entries(value)) {
    const shown = shows ? one : HIDDEN;
    if (typeof one !== 'string') throw new InvalidOptionError(`${path}.${name}`, shown, 'a string');
    wellFormed(path, name, HIDDEN);
    wellFormed(`${path}.${name}`, one, shown);
  }
  return { ...(value as Record<string, string>) };
}

export function headers(path: string, value: unknown): Record<string, string> {
  const all = texts(path, value, { shows: false });
  for (const [name, one] of Object.entries(all)) {
    if (!/^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/.test(name)) throw new InvalidOptionError(path, HIDDEN, 'an object whose names are those of headers');
    // The body is the exporter's, so what it is, and how it is packed, is, too.
    if (/^(content-length|content-type|content-encoding|transfer-encoding|connection|host|expect|upgrade)$/i.test(name)) throw new InvalidOptionError(`${path}.${name}`, HIDDEN, 'left to the exporter');
    headerText(`${path}.${name}`, one);
  }
  return all;
}

/** What may stand in a header. */
export function headerText(path: string, value: string | undefined): string | undefined {
  if (value !== undefined && /[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new InvalidOptionError(path, HIDDEN, 'a string that a header can hold');
  return value;
}

export function secret(path: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw new InvalidOptionError(path, typeof value === 'string' ? value : HIDDEN, 'a string that is not empty');
  return headerText(path, value);
}
