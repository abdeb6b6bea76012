// Recursion 200 deep: every sample at the bottom has exactly that many frames of descend.
import { program } from '../helpers/program.mjs';

let sink = 1;

function work() { // @fn work
  for (let index = 0; index < 200_000; index++) {
    sink = (Math.imul(sink, 69069) + index) | 0; // @hot work
  }
} // @end work

function descend(depth) { // @fn descend
  if (depth === 0) {
    work(); // @call descend>work
    return 0;
  }
  return descend(depth - 1) + 1; // @call descend>descend
} // @end descend

function start() { // @fn start @call *>start
  descend(199); // @call start>descend
} // @end start

export const truth = program(import.meta, {
  entry: start,
  leaf: { name: 'work', share: 0.9 },
  tiers: true,
  check(profile, run, assert) {
    for (const { stack } of profile.samples) {
      if (!stack.some((frame) => frame.name === 'work')) continue;
      assert.equal(stack.filter((frame) => frame.name === 'descend').length, 200);
    }
  },
});
