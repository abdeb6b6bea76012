// Recursion deeper than maxDepth: the leaf end is kept, under one "(truncated)" frame.
import { program } from '../helpers/program.mjs';

let sink = 1;

function work() { // @fn work
  for (let index = 0; index < 2_000_000; index++) {
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
  descend(3000); // @call start>descend
} // @end start

export const truth = program(import.meta, {
  entry: start,
  leaf: { name: 'work', share: 0.9 },
  check(profile, run, assert) {
    const deep = profile.samples.filter(({ stack }) => stack.some((frame) => frame.name === 'work'));
    assert.ok(deep.length > 0);
    for (const { stack } of deep) {
      assert.equal(stack[0].name, '(truncated)');
      assert.ok(stack.length >= 1000 && stack.length <= 1025, `${stack.length} frames`);
      assert.equal(stack.filter((frame) => frame.name === '(truncated)').length, 1);
    }
    assert.ok(run.stats.truncatedSamples >= deep.reduce((sum, sample) => sum + sample.count, 0));
  },
});
