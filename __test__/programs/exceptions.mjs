// Exceptions thrown through two frames and caught, with their stack captured.
import { program } from '../helpers/program.mjs';

let sink = 1;

function fail(value) { // @fn fail
  for (let index = 0; index < 500; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  throw new Error(`failed at ${value}`); // @call fail>*
} // @end fail

function pass(value) { // @fn pass
  return fail(value) + 1; // @call pass>fail
} // @end pass

function catcher() { // @fn catcher @call *>catcher
  for (let index = 0; index < 500; index++) {
    try {
      sink += pass(index); // @call catcher>pass
    } catch (error) {
      sink += error.message.length;
    }
  }
} // @end catcher

export const truth = program(import.meta, { entry: catcher, leaf: { name: 'fail', share: 0.7 }, tiers: true });
