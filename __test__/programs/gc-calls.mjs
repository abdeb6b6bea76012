// Collections asked for by name, back to back and from two functions: nothing is lost or counted twice.
import { program } from '../helpers/program.mjs';

const live = Array.from({ length: 60_000 }, (_, index) => ({ index, text: `entry ${index}` }));

function collectTwice() { // @fn collectTwice
  globalThis.gc(); // @call collectTwice>*
  globalThis.gc(); // @call collectTwice>*
} // @end collectTwice

function collectOnce() { // @fn collectOnce
  globalThis.gc({ type: 'minor' });
  globalThis.gc();
} // @end collectOnce

function work() { // @fn work @call *>work
  collectTwice(); // @call work>collectTwice
  collectOnce(); // @call work>collectOnce
  live[0].index++;
} // @end work

export const truth = program(import.meta, {
  entry: work,
  flags: ['--expose-gc'],
  check(profile, run, assert, { total, has, share }) {
    const collected = profile.samples.filter(({ stack }) => stack.at(-1).name === '(garbage collector)');
    assert.ok(share(profile.samples, 'cpu', ({ stack }) => stack.at(-1).name === '(garbage collector)') > 0.6, 'the program does little else');
    const named = collected.filter((sample) => has('collectTwice')(sample) || has('collectOnce')(sample));
    assert.ok(total(named, 'cpu') >= 0.98 * total(collected, 'cpu'));
    // Two collections each, of much the same heap: the split is about even.
    const twice = total(collected.filter(has('collectTwice')), 'wall') / total(collected, 'wall');
    assert.ok(twice > 0.4 && twice < 0.75, `collectTwice holds ${twice}`);
  },
});
