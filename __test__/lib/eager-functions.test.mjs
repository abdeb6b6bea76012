// What scripts/eager.mjs makes of functions means what they meant, or it refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withEagerFunctions } from '../../scripts/eager.mjs';

const MODULE = 'lib/off-thread.js';
/** It wants three functions there. */
const module = (body) => `function wait() {} function lookAgain() {} function offThread(...all) { ${body} }`;

/** The result of the function, called as a method with 7 in its `own`, before and behind the change. */
async function results(body, ...args) {
  const source = module(body);
  const changed = withEagerFunctions(source, MODULE);
  const run = (text) => new Function('self', 'args', `${text}; return offThread.apply(self, args);`)({ own: 7 }, args);
  return { before: await run(source), behind: await run(changed), changed };
}

for (const [what, body] of [
  ['an expression', 'return [1, 2].map((each) => each * this.own);'],
  ['an object', 'return [1].map((each) => ({ each, own: this.own }));'],
  ['a body with braces in its texts', "return [1].map((each) => { const text = '} => {'; /* } */ return text + each + this.own; });"],
  ['one in another', 'return [1].map((a) => [2].map((b) => a + b + this.own));'],
  ['one without parameters in parentheses', 'return [3].map(each => each);'],
  ['async', 'return Promise.all([1].map(async (each) => (await null) ?? this.own + each));'],
  ['the rest of its parameters', 'return ((...rest) => rest.length)(1, 2, 3);'],
  ['parts of a parameter', 'return (({ own, deep: [first] }) => own + first + this.own)({ own: 1, deep: [2] });'],
  ['beside a function with a this of its own', 'return [1].map((each) => function () { return this.own + each; }.call({ own: 100 }) + this.own);'],
  ['a name by what it is assigned to', 'const named = () => 1; return named.name;'],
]) {
  test(`an arrow function: ${what}`, async () => {
    const { before, behind, changed } = await results(body);
    assert.deepEqual(behind, before);
    assert.match(changed, /\((async )?function \(/);
    assert.doesNotMatch(changed.replaceAll(/'[^']*'/g, ''), /=>/);
  });
}

test('what would mean another thing is refused', () => {
  for (const body of [
    'return [1].map(() => arguments.length);',
    'return (() => new.target)();',
    'return ((own = this.own) => own)();',
    'return (({ own = this.own }) => own)({});',
    'return (({ [this.own]: own }) => own)({});',
    'return (() => class { own = this.own; })();',
    'return (() => ({ [this.own]() {} }))();',
    'const outerThis = 1; return (() => this)();',
    'return new (class { own = 1; get = () => this.own; })().get();',
  ]) {
    assert.throws(() => withEagerFunctions(module(body), MODULE), /would mean another thing|parameters are not looked into|there is an outerThis/, body);
  }
});

test('a function that is not there any more is missed', () => {
  assert.throws(() => withEagerFunctions('function wait() {}', MODULE), /offThread, lookAgain/);
});
