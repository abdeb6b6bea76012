import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createApi } from '../../build/lib/api.js';
import { validateOptions } from '../../build/lib/options.js';
import { stallFile } from '../../build/lib/stalls.js';
import { fakeNative, nativeError } from './fake-native.mjs';

const folder = mkdtempSync(join(tmpdir(), 'pronghorn-stalls-'));
after(() => rmSync(folder, { recursive: true }));

const frame = { kind: 'script', function: 'parse', file: '/app/a.js', line: 12, column: 5 };
const stall = {
  pid: 4_000,
  startTimeNanos: 1_700_000_000_123_456_789n,
  durationNanos: 1_234_500_000,
  thresholdNanos: 1_000_000_000,
  takenAfterNanos: 1_004_000_000,
  sinceStart: false,
  frames: [frame],
  leftOut: 2,
  stack: '    at parse (/app/a.js:12:5)',
};

/** What is published on a channel while `act` runs. */
async function published(channel, act) {
  const messages = [];
  const listen = (message) => messages.push(message);
  subscribe(channel, listen);
  try {
    await act();
  } finally {
    unsubscribe(channel, listen);
  }
  return messages;
}

test('a stall is published, in milliseconds', async () => {
  const native = fakeNative();
  const { start, stop } = createApi(() => native);
  const messages = await published('pronghorn:stall', async () => {
    start({ stallThresholdMs: 1_000, stallOutput: join(folder, 'log') });
    native.stall = stall;
    native.onStall();
    await stop();
  });
  const expected = { pid: 4_000, startTime: new Date(1_700_000_000_123), durationMs: 1_234.5, thresholdMs: 1_000, takenAfterMs: 1_004, sinceStart: false, frames: [frame] };
  assert.deepEqual(messages, [{ ...expected, framesLeftOut: 2, stack: stall.stack }]);
  const { stallThresholdNanos, stallOutput } = native.calls[0][1];
  assert.deepEqual([stallThresholdNanos, stallOutput], [1_000_000_000, join(folder, 'log')]);
});

test('one that is under way when the profiler stops is published too', async () => {
  for (const end of ['stop', 'stopSync']) {
    const native = fakeNative();
    const profiler = createApi(() => native).start({ stallThresholdMs: 100 });
    native.stall = stall;
    const messages = await published('pronghorn:stall', async () => {
      await profiler[end]();
    });
    assert.equal(messages.length, 1);
    const asked = native.calls.map(([name, argument]) => [name, argument]).filter(([name]) => name === 'takeStall' || name === end);
    assert.deepEqual(asked, [['takeStall', true], ['takeStall', false], [end, undefined]], 'before it is stopped');
  }
});

test('without the option nothing is asked, and standard error is no file', async () => {
  const native = fakeNative();
  const { start, stop } = createApi(() => native);
  start({ stallOutput: '/no/such/folder/log' });
  await stop();
  assert.ok(!native.calls.some(([name]) => name === 'takeStall'));
  const { stallThresholdNanos, stallOutput } = native.calls[0][1];
  assert.deepEqual([stallThresholdNanos, stallOutput], [undefined, undefined]);
  assert.equal(stallFile(validateOptions({ stallThresholdMs: 100 })), undefined);
});

test('a file that cannot be one is an error that says why, and nothing starts', () => {
  const wrong = [
    [folder, /stallOutput is ".*", which is a folder/],
    [join(folder, 'missing', 'log'), /stallOutput is ".*log", whose folder does not exist/],
  ];
  for (const [stallOutput, message] of wrong) {
    const native = fakeNative();
    assert.throws(() => createApi(() => native).start({ stallThresholdMs: 100, stallOutput }), { code: 'ERR_PRONGHORN_INVALID_OPTION', option: 'stallOutput', message });
    assert.deepEqual(native.calls, []);
    assert.equal(createApi(() => native).start({ stallThresholdMs: 100 }).options.stallThresholdMs, 100);
  }
});

test('what goes wrong is published and hurts nobody', async () => {
  const native = fakeNative();
  const { start, stop } = createApi(() => native);
  start({ stallThresholdMs: 100 });
  const { takeStall } = native;
  native.takeStall = () => {
    throw nativeError('ERR_PRONGHORN_INTERNAL', 'on purpose');
  };
  const messages = await published('pronghorn:error', () => native.onStall());
  assert.deepEqual(messages.map(({ error }) => error.message), ['on purpose']);
  native.takeStall = takeStall;
  await stop();
});
