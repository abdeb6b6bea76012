// Collections asked for by name, back to back and from two functions: nothing is lost or counted twice.
import { program } from '../helpers/program.mjs';

const live = Array.from({ length: 60_000 }, (_, index) => ({ index, text: `entry ${index}` }));

const spent = { collectTwice: 0, collectOnce: 0 };

function collectTwice() { // @fn collectTwice
  const begin = performance.now(); // @call collectTwice>*
  globalThis.gc();
  globalThis.gc();
  spent.collectTwice += performance.now() - begin; // @call collectTwice>*
} // @end collectTwice

function collectOnce() { // @fn collectOnce
  const begin = performance.now(); // @call collectOnce>*
  globalThis.gc({ type: 'minor' });
  globalThis.gc();
  spent.collectOnce += performance.now() - begin; // @call collectOnce>*
} // @end collectOnce

function work() { // @fn work @call *>work
  collectTwice(); // @call work>collectTwice
  collectOnce(); // @call work>collectOnce
  live[0].index++;
} // @end work

export const truth = program(import.meta, {
  entry: work,
  flags: ['--expose-gc'],
  extra: () => spent,
  check(profile, run, assert, { total, has, share }) {
    const collected = profile.samples.filter(({ stack }) => stack.at(-1).name === '(garbage collector)');
    assert.ok(share(profile.samples, 'cpu', ({ stack }) => stack.at(-1).name === '(garbage collector)') > 0.6, 'the program does little else');
    const named = collected.filter((sample) => has('collectTwice')(sample) || has('collectOnce')(sample));
    assert.ok(total(named, 'cpu') >= 0.98 * total(collected, 'cpu'));
    const twice = total(collected.filter(has('collectTwice')), 'wall') / total(collected, 'wall');
    const measured = run.extra.collectTwice / (run.extra.collectTwice + run.extra.collectOnce);
    assert.ok(Math.abs(twice - measured) < 0.12, `collectTwice holds ${twice} of the profile, and ${measured} by the clock`);
    const wall = total(collected, 'wall') / 1e6;
    const all = run.extra.collectTwice + run.extra.collectOnce;
    assert.ok(wall > 0.9 * all && wall < 1.05 * all, `${wall} ms in the profile, ${all} ms by the clock`);
  },
});
