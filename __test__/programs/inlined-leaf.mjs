// xs is inlined into loop, loop into outer: about 90% of the time is spent in xs, which has no frame of its own.
import { program } from '../helpers/program.mjs';

let state = 88172645463325252 | 0;

function xs(value) { // @fn xs
  value ^= value << 13;
  value ^= value >>> 17;
  value ^= value << 5;
  value = (value + Math.imul(value, 1664525)) | 0;
  value ^= value << 7;
  value ^= value >>> 9;
  value = (value + Math.imul(value, 1013904223)) | 0;
  return value ^ (value << 8);
} // @end xs

function loop(value) { // @fn loop
  for (let index = 0; index < 2000; index++) {
    value = xs(value); // @call loop>xs
  }
  return value;
} // @end loop

function outer() { // @fn outer @call *>outer
  for (let round = 0; round < 200; round++) {
    state = loop(state); // @call outer>loop
  }
} // @end outer

export const truth = program(import.meta, { entry: outer, leaf: { name: 'xs', share: 0.85 }, tiers: true });
