// Allocation until the collector runs: its time lands on the function that allocates.
import { program } from '../helpers/program.mjs';

const kept = new Array(2000);
let sink = 0;

function allocate(index) { // @fn allocate
  const list = [];
  for (let element = 0; element < 100; element++) list.push({ element, text: `number ${element}` }); // @call allocate>*
  kept[index % kept.length] = list;
} // @end allocate

function calculate() { // @fn calculate
  for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
} // @end calculate

function work() { // @fn work @call *>work
  for (let index = 0; index < 500; index++) allocate(index); // @call work>allocate
  calculate(); // @call work>calculate
} // @end work

export const truth = program(import.meta, {
  entry: work,
  flags: ['--max-semi-space-size=1'],
  check(profile, run, assert, { total, has, describe }) {
    const collected = profile.samples.filter(({ stack }) => stack.at(-1).name === '(garbage collector)');
    const all = total(profile.samples, 'count');
    assert.ok(total(collected, 'count') > 0.03 * all, `${total(collected, 'count')} of ${all} samples in the collector`);
    const onCause = collected.filter(has('allocate'));
    // A collection that V8 puts off to the next check of its stack guard may start on the way round the caller's loop.
    assert.ok(total(onCause, 'count') >= 0.85 * total(collected, 'count'), `GC time is not on the function that allocates:\n${describe(collected)}`);
    for (const { stack } of profile.samples) {
      assert.ok(!stack.slice(0, -1).some((frame) => frame.name === '(garbage collector)'), 'the collector is only ever a leaf');
    }
    assert.ok(Math.abs(run.stats.gcSamples - total(collected, 'count')) <= 2, `${run.stats.gcSamples} GC samples counted`);
  },
});
