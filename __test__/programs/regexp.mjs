// A regular expression compiled by V8 to machine code, which is no JavaScript function.
import { program } from '../helpers/program.mjs';

const text = `${'a'.repeat(60)} ${'ab'.repeat(400)}`;
const pattern = /(a|ab)(c|bcd)(d*)$/g;
let sink = 0;

function match() { // @fn match
  for (let index = 0; index < 200; index++) {
    pattern.lastIndex = 0;
    if (pattern.test(text)) sink++; // @hot match
  }
} // @end match

function work() { // @fn work @call *>work
  for (let index = 0; index < 3; index++) match(); // @call work>match
} // @end work

export const truth = program(import.meta, { entry: work, leaf: { name: 'match', share: 0.94, hot: 0.9 } });
