// xs is inlined into loop, loop into outer: well over 90% of the work is spent in xs, which has no frame of its own. How much of
// it the loop's own line gets depends on the processor: an interrupt is delivered where instructions retire, and on some a quarter of the
// time of a short body stood there. So the body is long.
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
  value ^= value << 11;
  value ^= value >>> 3;
  value = (value + Math.imul(value, 69069)) | 0;
  value ^= value << 15;
  value ^= value >>> 6;
  value = (value + Math.imul(value, 22695477)) | 0;
  value ^= value << 9;
  value ^= value >> 4;
  value = (value + Math.imul(value, 134775813)) | 0;
  value ^= value << 3;
  value ^= value >>> 12;
  value = (value + Math.imul(value, 214013)) | 0;
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
