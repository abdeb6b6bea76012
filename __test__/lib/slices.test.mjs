// A rotation and a stop whose thread has more to resolve than half a millisecond allows: they begin some turns of the event loop later, unless somebody cannot wait.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createApi } from '../../build/lib/api.js';
import { fakeNative } from './fake-native.mjs';

function setup(unresolved) {
  const native = fakeNative();
  native.unresolved = unresolved;
  const api = createApi(() => native);
  return { native, profiler: api.start(), ...api };
}

const names = (native) => native.calls.map(([name]) => name);
const turn = () => new Promise((resolve) => void setImmediate(resolve));

async function heard(names, act) {
  const events = [];
  const listeners = names.map((name) => [`pronghorn:${name}`, (message) => events.push([name, message.profile?.sequence ?? message.error?.code])]);
  for (const [name, listener] of listeners) subscribe(name, listener);
  try {
    await act();
  } finally {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  }
  return events;
}

test('a rotation begins once all is resolved', async () => {
  const { native, profiler } = setup(1);
  const rotation = profiler.rotate();
  for (let count = 0; count < 5; count++) await turn();
  assert.deepEqual(names(native), ['start']);
  await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_ROTATION_IN_PROGRESS' });
  native.unresolved = 0;
  assert.equal((await rotation).sequence, 0);
  assert.deepEqual(native.calls.slice(1), [['rotate']]);
});

test('it does not wait for ever: what is left then is resolved in one go', async () => {
  const { native, profiler } = setup(Infinity);
  const began = performance.now();
  await profiler.rotate();
  assert.ok(performance.now() - began > 200);
  assert.deepEqual(native.calls.slice(1), [['rotate', 'whole']]);
});

test('sampling is off when stop() returns, and the profile comes once all is resolved', async () => {
  const { native, profiler } = setup(5);
  const stopped = profiler.stop();
  assert.deepEqual(names(native), ['start', 'stop']);
  assert.equal(native.unresolved, 4);
  assert.equal((await stopped).sequence, 0);
  assert.deepEqual([names(native), native.unresolved], [['start', 'stop'], 0]);
});

test('a stop behind such a rotation waits for it', async () => {
  const { native, profiler } = setup(1);
  const order = [];
  const all = [profiler.rotate().then(() => order.push('rotation')), profiler.stop().then(() => order.push('stop'))];
  await turn();
  native.unresolved = 0;
  await Promise.all(all);
  assert.deepEqual([order, names(native)], [['rotation', 'stop'], ['start', 'rotate', 'stop']]);
});

test('whoever cannot wait begins a rotation that has not begun, and its promise has the same to say', async () => {
  const { native, profiler } = setup(Infinity);
  let rotation;
  const events = await heard(['rotate', 'stop', 'error'], async () => {
    rotation = profiler.rotate();
    const last = profiler.stopSync();
    assert.equal(last.sequence, 1);
    assert.equal((await rotation).sequence, 0);
  });
  assert.deepEqual(events, [
    ['rotate', 0],
    ['stop', 1],
  ]);
  assert.deepEqual(names(native), ['start', 'rotateSync', 'stopSync']);
});

test('the end of the process takes a stop that is not done', async () => {
  const { native, profiler } = setup(Infinity);
  const events = await heard(['stop', 'error'], async () => {
    const stopped = profiler.stop();
    assert.equal(profiler.endSync().profile.sequence, 0);
    assert.equal((await stopped).sequence, 0);
  });
  assert.deepEqual([events, names(native)], [[['stop', 0]], ['start', 'stop', 'stopSync']]);
});

for (const what of ['rotate', 'stop']) {
  test(`in a child, ${what}() of the parent rejects, and nothing of it begins`, async () => {
    const { native, profiler } = setup(Infinity);
    const pending = profiler[what]();
    native.fork();
    native.poll();
    native.unresolved = 0;
    await assert.rejects(pending, { code: 'ERR_PRONGHORN_FORKED' });
    for (let count = 0; count < 5; count++) await turn();
    const own = names(native);
    assert.ok(!own.includes('rotate') && !own.includes('stop'), own.join());
  });
}
