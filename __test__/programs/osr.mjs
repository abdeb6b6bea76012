// One call lasts: the hot loop is entered interpreted and replaced while it runs (on-stack replacement).
import { program } from '../helpers/program.mjs';

let sink = 0;

function longLoop() { // @fn longLoop @call *>longLoop
  let value = sink;
  for (let index = 0; index < 60_000_000; index++) {
    value = (Math.imul(value, 31) + index) ^ (value >>> 3); // @hot longLoop
  }
  sink = value;
} // @end longLoop

export const truth = program(import.meta, { entry: longLoop, leaf: { name: 'longLoop', share: 0.97 }, tiers: true });
