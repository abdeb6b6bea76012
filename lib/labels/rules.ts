/**
 * What labels may be.
 */
import { describe, InvalidOptionError } from '../errors.js';

export type Pair = readonly [key: string, value: string];

/** Labels that the profiler itself gives. */
const RESERVED: ReadonlySet<string> = new Set(['process id', 'cluster worker id', 'thread id', 'thread name']);
const LONGEST_KEY = 128;
const MOST_LABELS = 16;

/** @throws InvalidOptionError for what cannot be labels */
export function checkLabels(labels: unknown): Pair[] {
  if (typeof labels !== 'object' || labels === null || !isPlain(labels)) throw new InvalidOptionError('labels', labels, 'a plain object');
  const pairs = Object.entries(labels);
  if (pairs.length > MOST_LABELS) throw refused('labels', labels, `at most ${MOST_LABELS} labels`, `${pairs.length}`);
  for (const [key, value] of pairs) {
    if (key === '' || key.length > LONGEST_KEY) throw refused('labels', key, `names of 1 to ${LONGEST_KEY} characters`, describe(key));
    if (RESERVED.has(key)) throw refused('labels', key, `other names than ${[...RESERVED].join(', ')}`, `${describe(key)}, which the profiler gives itself`);
    if (typeof value !== 'string') throw new InvalidOptionError(`labels[${JSON.stringify(key)}]`, value, 'a string');
  }
  return pairs;
}

function refused(option: string, value: unknown, allowed: string, found: string): InvalidOptionError {
  return new InvalidOptionError(option, value, allowed, `${option} must have ${allowed}; there is ${found}`);
}

/** Whether it is an object as one writes it, of any realm. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}
