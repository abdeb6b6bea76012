/**
 * Functions, and exporters of the application's own, have no text that tells them apart: they get numbers.
 */
import { randomId } from './random-id.js';

const numbers = new WeakMap<object, number>();
let count = 0;
/** Another copy of this package has numbers of its own, which shall not look like these. */
let copy: string | undefined;

/** A text that stands for this very object. */
export function numberOf(value: object): string {
  copy ??= randomId();
  let number = numbers.get(value);
  if (number === undefined) numbers.set(value, (number = ++count));
  return `${copy}#${number}`;
}
