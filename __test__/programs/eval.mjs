// Code without a file of its own: eval, indirect eval with a sourceURL, and new Function.
import { program } from '../helpers/program.mjs';

const source = [
  '(function evaluated(value) {', // line 1 of the evaluated script
  '  for (let index = 0; index < 30000; index++) {',
  '    value = (Math.imul(value, 69069) + index) | 0',
  '  }',
  '  return value',
  '})',
].join('\n');

const direct = eval(source);
const named = (0, eval)(source.replace('evaluated', 'evaluatedByUrl') + '\n//# sourceURL=evaluated-by-url.js');
const made = new Function('value', source.replace('(function evaluated(value) {', 'return (function inMade(value) {') + '(value)');

let sink = 1;

function callThem() { // @fn callThem @call *>callThem
  for (let index = 0; index < 30; index++) {
    sink = direct(sink); // @call callThem>evaluated
    sink = named(sink); // @call callThem>evaluatedByUrl
    sink = made(sink); // @call callThem>*
  }
} // @end callThem

const leafOf = (sample) => sample.stack.filter((frame) => !frame.native && !frame.marker && !frame.builtin).at(-1);

export const truth = program(import.meta, {
  entry: callThem,
  tiers: true,
  check(profile, run, assert, { share, has }) {
    for (const name of ['evaluated', 'evaluatedByUrl', 'inMade']) {
      const part = share(profile.samples, 'count', has(name));
      assert.ok(part > 0.04 && part < 0.8, `${name} holds ${part}`);
      // new Function puts two lines of its own in front of the body.
      const first = name === 'inMade' ? 3 : 1;
      for (const sample of profile.samples.filter(has(name))) {
        const leaf = leafOf(sample);
        assert.equal(leaf.name, name);
        assert.equal(leaf.startLine, first);
        assert.ok(leaf.line >= first && leaf.line <= first + 5, `line ${leaf.line}`);
        if (name === 'evaluatedByUrl') assert.equal(leaf.file, 'evaluated-by-url.js');
      }
    }
  },
});
