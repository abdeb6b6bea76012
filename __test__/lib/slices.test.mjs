// A stop whose thread has more to resolve than a first slice allows: it goes on some turns of the event loop later, unless somebody cannot wait.
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

async function heard(channels, act) {
  const events = [];
  const listeners = channels.map((name) => [`pronghorn:${name}`, (message) => events.push([name, message.profile?.sequence ?? message.error?.code])]);
  for (const [name, listener] of listeners) subscribe(name, listener);
  try {
    await act();
  } finally {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  }
  return events;
}

test('sampling is off when stop() returns, and the profile comes once all is resolved', async () => {
  const { native, profiler } = setup(5);
  const stopped = profiler.stop();
  assert.deepEqual(names(native), ['start', 'stop']);
  assert.equal(native.unresolved, 4);
  assert.equal((await stopped).sequence, 0);
  assert.deepEqual([names(native), native.unresolved], [['start', 'stop'], 0]);
});

test('it does not wait for ever: what is left then is resolved in one go', async () => {
  const { native, profiler } = setup(Infinity);
  const began = performance.now();
  await profiler.stop();
  assert.ok(performance.now() - began > 200);
  assert.deepEqual(native.calls.slice(1), [['stop'], ['stop', 'whole']]);
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

test('in a child, a stop of the parent rejects, and goes on no more', async () => {
  const { native, profiler } = setup(Infinity);
  const pending = profiler.stop();
  native.fork();
  native.poll();
  native.unresolved = 0;
  await assert.rejects(pending, { code: 'ERR_PRONGHORN_FORKED' });
  for (let count = 0; count < 5; count++) await turn();
  assert.ok(!names(native).includes('stop'), names(native).join());
});
