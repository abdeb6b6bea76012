// Callbacks through Array.prototype.map, sort and reduce and String.prototype.replace: the builtin has a frame between.
import { program } from '../helpers/program.mjs';

let sink = 1;
const numbers = Array.from({ length: 200 }, (_, index) => (index * 7919) % 1009);
const text = 'abcdefghij'.repeat(20);

function grind(value) { // @fn grind
  for (let index = 0; index < 300; index++) value = (Math.imul(value, 69069) + index) | 0; // @hot grind
  return value;
} // @end grind

function mapper(value) { // @fn mapper
  return grind(value); // @call mapper>grind
} // @end mapper

function comparer(left, right) { // @fn comparer
  sink ^= grind(left); // @call comparer>grind
  return left - right;
} // @end comparer

function replacer(match) { // @fn replacer
  sink ^= grind(match.charCodeAt(0)); // @call replacer>grind
  return match;
} // @end replacer

function useAll() { // @fn useAll @call *>useAll
  for (let index = 0; index < 10; index++) {
    sink ^= numbers.map(mapper)[3]; // @call useAll>mapper
    sink ^= [...numbers].sort(comparer)[5]; // @call useAll>comparer
    sink ^= text.replace(/[a-j]/g, replacer).length; // @call useAll>replacer
  }
} // @end useAll

const through = { mapper: 'map', comparer: 'sort', replacer: 'replace' };

export const truth = program(import.meta, {
  entry: useAll,
  leaf: { name: 'grind', share: 0.75 },
  tiers: true,
  check(profile, run, assert, { total, has, show }) {
    for (const [callback, builtin] of Object.entries(through)) {
      const called = profile.samples.filter(has(callback));
      assert.ok(total(called, 'count') > 10, `${callback} has ${total(called, 'count')} samples`);
      // Optimized code may inline map (with the callback in it); the builtin's own frame is then gone for good.
      const visible = called.filter(({ stack }) => stack.some((frame) => frame.name === builtin || frame.name.endsWith(`.${builtin}`)));
      const inlined = builtin === 'map' && !run.flags.includes('--no-opt');
      if (!inlined) assert.ok(total(visible, 'count') >= 0.95 * total(called, 'count'), `${builtin}: ${called[0] && show(called[0].stack)}`);
      for (const { stack } of visible) {
        const at = stack.findIndex((frame) => frame.name === callback);
        const before = stack.findIndex((frame) => frame.name === builtin || frame.name.endsWith(`.${builtin}`));
        assert.ok(before < at, show(stack));
      }
    }
  },
});
