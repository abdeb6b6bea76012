// After an await an async function runs on its own stack: it is then the outermost function of the program.
import { program } from '../helpers/program.mjs';

let sink = 1;

function step() { // @fn step
  for (let index = 0; index < 60_000; index++) {
    sink = (Math.imul(sink, 69069) + index) | 0; // @hot step
  }
} // @end step

async function afterAwait() { // @fn afterAwait
  step(); // @call afterAwait>step
  await null;
  step(); // @call afterAwait>step
} // @end afterAwait

async function* asyncValues() { // @fn asyncValues @call *>asyncValues
  for (let index = 0; index < 3; index++) {
    step(); // @call asyncValues>step
    yield index;
  }
} // @end asyncValues

async function work() { // @fn work @call *>work
  step(); // @call work>step
  await afterAwait(); // @call work>afterAwait
  for await (const value of asyncValues()) sink ^= value; // @call work>asyncValues
  step(); // @call work>step
} // @end work

export const truth = program(import.meta, {
  entry: work,
  isAsync: true,
  asyncRoots: ['work', 'afterAwait', 'asyncValues'],
  leaf: { name: 'step', share: 0.9 },
});
