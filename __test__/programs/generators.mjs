// A generator resumes under whoever asks for its next value, not where it was created.
import { program } from '../helpers/program.mjs';

let sink = 1;

function step(value) { // @fn step
  for (let index = 0; index < 3000; index++) {
    value = (Math.imul(value, 69069) + index) | 0; // @hot step
  }
  return value;
} // @end step

function* values(count) { // @fn values
  for (let index = 0; index < count; index++) {
    yield step(index); // @call values>step
  }
} // @end values

function* delegate(count) { // @fn delegate
  yield* values(count); // @call delegate>values
} // @end delegate

function consume() { // @fn consume @call *>consume
  for (const value of values(200)) sink ^= value; // @call consume>values
  for (const value of delegate(200)) sink ^= value; // @call consume>delegate
} // @end consume

export const truth = program(import.meta, { entry: consume, leaf: { name: 'step', share: 0.9 }, tiers: true });
