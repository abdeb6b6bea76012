// How labels come to their number: what is remembered, what is asked for again, and what happens where there is no number to be had.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabelScopes } from '../../build/lib/labels/scopes.js';

const PLACES = 16;

/** Scopes over a native half that gives numbers in their order, and keeps to whatever a test says. */
function setup() {
  const words = new Uint32Array(2 + 2 * PLACES);
  const asked = [];
  const registry = {};
  let count = 0;
  const native = {
    failures: [],
    internLabels(outer, labels) {
      asked.push([outer, ...labels]);
      const failure = native.failures.shift();
      if (failure !== undefined) throw failure;
      if (labels.length === 0) return outer;
      count += 1;
      // A number whose place is its lowest bits, as the table's.
      const number = count * PLACES + (count % PLACES);
      words[2 + (number % PLACES)] = number;
      return number;
    },
    labelTable: () => words,
    findLabelStore: () => 0,
    trackLabelWord: () => undefined,
    registry: () => registry,
  };
  let resets = 0;
  const door = { load: () => native, resetAfterFork: () => ((resets += 1), door.forked), forked: false };
  const scopes = new LabelScopes();
  const run = (labels, fn = () => undefined) => scopes.run(door, labels, fn);
  const current = () => registry.labelling.tracking.current();
  return { run, asked, native, words, door, current, resets: () => resets, used: (number) => words[2 + PLACES + (number % PLACES)] };
}

test('labels are asked for once, whatever object they come in, and each order of them by itself', () => {
  const { run, asked, current } = setup();
  const seen = [];
  for (let round = 0; round < 3; round++) run({ route: '/a', user: 'x' }, () => seen.push(current()));
  run({ user: 'x', route: '/a' });
  run({ route: '/a' });
  assert.deepEqual(asked, [[0, 'route', '/a', 'user', 'x'], [0, 'user', 'x', 'route', '/a'], [0, 'route', '/a']]);
  assert.equal(new Set(seen).size, 1);
  assert.notEqual(seen[0], 0);
  assert.equal(current(), 0);
});

test('inside another scope they are another set', () => {
  const { run, asked, current } = setup();
  run({ a: '1' }, () => {
    const outer = current();
    run({ b: '2' }, () => assert.notEqual(current(), outer));
    assert.equal(current(), outer);
    assert.deepEqual(asked, [[0, 'a', '1'], [outer, 'b', '2']]);
    // None at all are those around.
    assert.equal(run({}, current), outer);
  });
});

test('a number that the table has given to others is asked for again; one in use is marked', () => {
  const { run, asked, words, current, used } = setup();
  const first = run({ a: '1' }, () => current());
  words[0] = 41;
  run({ a: '1' });
  assert.equal(used(first), 41);
  words[2 + (first % PLACES)] = 7;
  assert.notEqual(run({ a: '1' }, current), first);
  assert.equal(asked.length, 2);
});

test('what is remembered is bounded', () => {
  const { run, asked } = setup();
  for (let id = 0; id < 9_000; id++) run({ id: `${id}` });
  assert.equal(asked.length, 9_000);
  run({ id: '8999' });
  // It would have been remembered, but the number's place has been used again by then, among so few.
  run({ id: '0' });
  assert.deepEqual(asked.at(-1), [0, 'id', '0']);
});

test('long values are cut, and not remembered', () => {
  const { run, asked } = setup();
  for (let round = 0; round < 2; round++) run({ url: 'x'.repeat(10_000) });
  const cut = [0, 'url', 'x'.repeat(512)];
  assert.deepEqual(asked, [cut, cut]);
});

test('without a native half, or with one that fails, the function runs with the labels that there are', () => {
  const broken = { load: () => { throw new Error('not here'); }, resetAfterFork: () => false };
  const scopes = new LabelScopes();
  assert.equal(scopes.run(broken, { a: '1' }, () => 5), 5);
  assert.throws(() => scopes.run(broken, { a: 1 }, () => 5), { code: 'ERR_PRONGHORN_INVALID_OPTION', message: 'labels["a"] must be a string; it is 1' });
  const { run, native, current } = setup();
  run({ a: '1' }, () => {
    const outer = current();
    native.failures.push(new Error('on purpose'));
    assert.equal(run({ b: '2' }, current), outer);
    assert.notEqual(run({ b: '2' }, current), outer, 'it is tried again');
  });
});

test('in a forked process that has not been reset, the reset comes first', () => {
  const { run, native, door, current, resets, asked } = setup();
  run({ a: '1' });
  door.forked = true;
  native.failures.push(Object.assign(new Error('forked'), { code: 'ERR_PRONGHORN_FORKED' }));
  const before = resets();
  assert.notEqual(run({ b: '2' }, current), 0);
  assert.equal(resets(), before + 1);
  assert.deepEqual(asked.slice(1), [[0, 'b', '2'], [0, 'b', '2']]);
});

test('too many labels in all are an error of the caller', () => {
  const { run, native } = setup();
  run({ a: '1' });
  native.failures.push(Object.assign(new Error('a scope has at most 16 labels, those around it included'), { code: 'ERR_PRONGHORN_INVALID_OPTION' }));
  assert.throws(() => run({ b: '2' }, () => assert.fail()), { name: 'PronghornError', code: 'ERR_PRONGHORN_INVALID_OPTION', message: /at most 16/ });
});
