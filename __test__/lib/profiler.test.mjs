import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createApi, startAs } from '../../build/lib/api.js';
import { TEST_OPTIONS } from '../../build/lib/options.js';
import { fakeNative, nativeError, someStats } from './fake-native.mjs';

function setup() {
  const native = fakeNative();
  return { native, ...createApi(() => native) };
}

const names = (native) => native.calls.map(([name]) => name);

test('start, rotate and stop call the collector in order and give profiles that follow each other', async () => {
  const { native, start, stop } = setup();
  const profiler = start({ intervalMicros: 2_000, nativeFrames: 'leaf' });
  const { versions, comments, ...options } = native.calls[0][1];
  assert.deepEqual(options, { intervalNanos: 2_000_000, maxDepth: 1_024, nativeFrames: 'leaf', threads: 'all', sourceMaps: true, labels: [{ key: 'process id', number: 4_000 }] });
  assert.deepEqual(comments, [`runtime id ${(await profiler.rotate()).runtimeId}`]);
  assert.equal(versions, `pronghorn 0.1.0, node ${process.version}, v8 ${process.versions.v8}`);
  const first = await profiler.rotate();
  const last = await stop();
  assert.deepEqual(names(native), ['start', 'rotate', 'rotate', 'stop']);
  assert.deepEqual([first.sequence, last.sequence, last.processId], [1, 2, 4_000]);
  assert.ok(last.startTimeNanos >= first.endTimeNanos);
  assert.equal(first.startTime.getTime(), Number(first.startTimeNanos / 1_000_000n));
});

test('sampling is off when stop() returns, before its promise resolves', () => {
  const { native, start } = setup();
  start().stop();
  assert.deepEqual(names(native), ['start', 'stop']);
});

test('a second stop() gives the same promise; after it the module has nothing to stop', async () => {
  const { start, stop } = setup();
  const profiler = start();
  const [a, b, c] = [profiler.stop(), profiler.stop(), stop()];
  assert.equal(a, b);
  assert.equal(await c, await a);
  assert.equal(await profiler.stop(), await a);
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  assert.throws(() => profiler.stopSync(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
});

/** Calls `act` in the turn between those in which a profile's counters and the profile itself are fetched; says how often the latter has happened. */
function betweenTurns(native, act) {
  const { finishedStats, finishedProfile } = native;
  const fetched = { times: 0 };
  native.finishedStats = (work) => {
    const stats = finishedStats(work);
    // In front of the collector's own.
    if (stats !== undefined) setImmediate(act);
    return stats;
  };
  native.finishedProfile = (work) => {
    fetched.times += 1;
    return finishedProfile(work);
  };
  return fetched;
}

for (const end of ['stop', 'rotate']) {
  test(`between the turns in which the counters and the profile of ${end}() are fetched, the process's end takes it`, async () => {
    const { native, start } = setup();
    const profiler = start();
    let seen;
    const fetched = betweenTurns(native, () => {
      seen = [fetched.times, profiler.endSync().profile.sequence];
    });
    const profile = await profiler[end]();
    assert.deepEqual(seen, [0, end === 'stop' ? 0 : 1], 'the native half still had it');
    assert.deepEqual([profile.sequence, profile.stats.samples > 0], [0, true]);
    assert.ok(names(native).includes('takeFinished'));
  });

  test(`a child that was forked off between those turns of ${end}() gets nothing of its parent's`, async () => {
    const { native, start } = setup();
    const profiler = start();
    const fetched = betweenTurns(native, () => {
      native.fork();
      native.poll();
    });
    await assert.rejects(profiler[end](), { code: 'ERR_PRONGHORN_FORKED' });
    assert.equal(fetched.times, 0);
  });
}

test('as soon as the profile has left the native half, the end of the process finds it', async () => {
  const { native, start } = setup();
  const profiler = start();
  const { finishedProfile } = native;
  let last;
  native.finishedProfile = (work) => {
    // Before whatever waits for it.
    queueMicrotask(() => (last = profiler.endSync().profile));
    return finishedProfile(work);
  };
  const profile = await profiler.rotate();
  assert.deepEqual([profile.sequence, last.sequence], [0, 1]);
});

/** What process.execve is, or a stand-in where Node has none; `freeze` makes it unchangeable until the end of the test. */
function execveOf(t) {
  const before = Object.getOwnPropertyDescriptor(process, 'execve');
  if (before === undefined) process.execve = function execve() {};
  const original = process.execve;
  const define = (descriptor) => Object.defineProperty(process, 'execve', { configurable: true, enumerable: true, ...descriptor });
  t.after(() => {
    if (before === undefined) delete process.execve;
    else define({ value: original, writable: true });
  });
  return { original, freeze: () => define({ value: process.execve, writable: false }) };
}

test('a program that has frozen `process` keeps what stands there, and is profiled all the same', async (t) => {
  const { native, start, stop } = setup();
  const { original, freeze } = execveOf(t);
  start();
  const ours = process.execve;
  assert.notEqual(ours, original);
  freeze();
  assert.equal((await stop()).sequence, 0);
  assert.equal(process.execve, ours);
  start();
  assert.equal(process.execve, ours);
  // A child is reset as any other.
  native.fork();
  native.poll();
  assert.equal((await stop()).sequence, 0);
});

test('a stop whose profile somebody else has is over all the same', async (t) => {
  const { native, start, stop } = setup();
  const { original } = execveOf(t);
  start();
  const { finishedProfile } = native;
  native.finishedProfile = () => null;
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_INTERNAL' });
  assert.equal(process.execve, original);
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  native.finishedProfile = finishedProfile;
  start();
  assert.equal((await stop()).sequence, 0);
});

test('stop without start is an error, also where the native half cannot be loaded', async () => {
  const { stop } = createApi(() => {
    throw new Error('no binary');
  });
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  await assert.rejects(setup().stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
});

test('rotate during rotate is an error and the first one loses nothing', async () => {
  const { native, start } = setup();
  const profiler = start();
  const { promise, resolve } = withResolvers();
  native.gate = promise;
  const first = profiler.rotate();
  await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_ROTATION_IN_PROGRESS' });
  resolve();
  assert.match((await first).data.toString(), /^profile from/);
  assert.match((await profiler.rotate()).data.toString(), /^profile from/);
});

test('stop during a rotation waits for it, then flushes', async () => {
  const { native, start } = setup();
  const profiler = start();
  const { promise, resolve } = withResolvers();
  native.gate = promise;
  const order = [];
  const rotation = profiler.rotate().then(() => order.push('rotation'));
  const stopped = profiler.stop().then(() => order.push('stop'));
  assert.deepEqual(names(native), ['start', 'rotate']);
  resolve();
  await Promise.all([rotation, stopped]);
  assert.deepEqual(names(native), ['start', 'rotate', 'stop']);
  assert.deepEqual(order, ['rotation', 'stop']);
});

test('a failed rotation loses that period and not the next, and stop() after it works', async () => {
  const { native, start, stop } = setup();
  const profiler = start();
  const heard = [];
  const listener = ({ error }) => heard.push(error.code);
  subscribe('pronghorn:error', listener);
  try {
    native.nextFailure = nativeError('ERR_PRONGHORN_SERIALIZE_FAILED');
    await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
    assert.match((await profiler.rotate()).data.toString(), /^profile from/);
    assert.deepEqual(heard, ['ERR_PRONGHORN_SERIALIZE_FAILED']);
    native.nextFailure = nativeError('ERR_PRONGHORN_SERIALIZE_FAILED');
    await assert.rejects(stop(), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
    await start().stop();
  } finally {
    unsubscribe('pronghorn:error', listener);
  }
});

test('start() with equal options shares the profiler; with others it names who started it', async () => {
  const { native, start } = setup();
  const profiler = start({ maxDepth: 64 });
  assert.equal(start({ maxDepth: 64, intervalMicros: 10_000 }), profiler);
  assert.throws(
    () => start(),
    (error) => error.code === 'ERR_PRONGHORN_ALREADY_STARTED' && /profiler\.test\.mjs:\d+:\d+/.test(error.startedBy) && error.message.includes(error.startedBy),
  );
  assert.deepEqual(names(native), ['start']);
  await profiler.stop();
  assert.notEqual(start(), profiler);
});

test('a second copy of the package finds the profiler of the first', async () => {
  const native = fakeNative();
  const one = createApi(() => native);
  // A query gives a second instance of the module, as a second copy in node_modules would be.
  const copy = await import('../../build/lib/api.js?copy');
  const two = copy.createApi(() => native);
  assert.notEqual(one.start, two.start);
  const profiler = one.start();
  assert.equal(two.start(), profiler);
  assert.throws(() => two.start({ maxDepth: 32 }), { code: 'ERR_PRONGHORN_ALREADY_STARTED' });
  await two.stop();
  await assert.rejects(one.stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
});

test('while stop() is under way, start() says so', async () => {
  const { start, stop } = setup();
  start();
  const stopped = stop();
  assert.throws(() => start(), /is just stopping/);
  await stopped;
  start();
});

test('profile() ends after its time, and shares the profiler with nobody', async () => {
  const { native, start, profile } = setup();
  const running = profile({ durationMs: 30 });
  assert.throws(() => start(), { code: 'ERR_PRONGHORN_ALREADY_STARTED' });
  await assert.rejects(profile({ durationMs: 30 }), { code: 'ERR_PRONGHORN_ALREADY_STARTED' });
  assert.match((await running).data.toString(), /^profile from/);
  assert.deepEqual(names(native), ['start', 'stop']);
  const profiler = start();
  await assert.rejects(profile({ durationMs: 30 }), { code: 'ERR_PRONGHORN_ALREADY_STARTED' });
  await profiler.stop();
});

test('profile() checks what it is given before it starts anything', async () => {
  const { native, profile } = setup();
  for (const durationMs of [undefined, 0, -1, 1.5, 2 ** 31, '10', NaN]) {
    await assert.rejects(profile({ durationMs }), { code: 'ERR_PRONGHORN_INVALID_OPTION', option: 'durationMs' });
  }
  await assert.rejects(profile(), { code: 'ERR_PRONGHORN_INVALID_OPTION' });
  await assert.rejects(profile({ durationMs: 10, signal: 'SIGTERM' }), { code: 'ERR_PRONGHORN_INVALID_OPTION', option: 'signal' });
  await assert.rejects(profile({ durationMs: 10, duration: 10 }), /did you mean durationMs/);
  await assert.rejects(profile({ durationMs: 10, signal: AbortSignal.abort('early') }), { code: 'ERR_PRONGHORN_ABORTED', cause: 'early' });
  assert.deepEqual(names(native), []);
});

test('an aborted profile() stops the profiler and rejects with the reason', async () => {
  const { native, start, profile } = setup();
  const controller = new AbortController();
  const running = profile({ durationMs: 60_000, signal: controller.signal });
  controller.abort('enough');
  await assert.rejects(running, { name: 'AbortError', code: 'ERR_PRONGHORN_ABORTED', cause: 'enough' });
  assert.deepEqual(names(native), ['start', 'stop']);
  start();
});

test('stats and capabilities are the live ones, and after stop() the last ones', async () => {
  const { native, start } = setup();
  const profiler = start();
  const rotations = { rotations: 0, lostPeriods: 0, rotationMeanNanos: 0, rotationMaxNanos: 0, exporters: {} };
  assert.deepEqual(profiler.stats(), { ...someStats(3), ...rotations });
  await profiler.stop();
  native.stats = () => someStats(999);
  native.capabilities = () => ({ walk: false });
  assert.deepEqual(profiler.stats(), { ...someStats(7), ...rotations });
  assert.equal(profiler.capabilities.walk, true);
});

test('a failure of the native half is published, kept, and asks to be stopped before a new start', async () => {
  const { native, start } = setup();
  const profiler = start();
  const heard = [];
  const listener = ({ error }) => heard.push(error);
  subscribe('pronghorn:error', listener);
  native.onFailure('ERR_PRONGHORN_INTERNAL', 'a panic in the ticker');
  unsubscribe('pronghorn:error', listener);
  assert.equal(heard[0], profiler.failure);
  assert.equal(profiler.failure.code, 'ERR_PRONGHORN_INTERNAL');
  assert.throws(() => start(), /has failed \(a panic in the ticker\); stop\(\) it first/);
  await profiler.stop();
  start();
});

test('start, rotation and stop are published', async () => {
  const { start } = setup();
  const heard = [];
  const listener = (message, name) => heard.push([name, Object.keys(message).sort().join()]);
  const channels = ['pronghorn:start', 'pronghorn:rotate', 'pronghorn:stop'];
  for (const name of channels) subscribe(name, listener);
  const profiler = start();
  await profiler.rotate();
  await profiler.stop();
  for (const name of channels) unsubscribe(name, listener);
  assert.deepEqual(heard, [['pronghorn:start', 'capabilities,options,startedBy'], ['pronghorn:rotate', 'profile'], ['pronghorn:stop', 'profile']]);
});

test('a start that the native half refuses leaves nothing running', async () => {
  const { native, start, stop } = setup();
  const { start: working } = native;
  native.start = () => {
    throw nativeError('ERR_PRONGHORN_UNSUPPORTED_RUNTIME', 'no v8dbg symbols');
  };
  assert.throws(() => start(), { code: 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME', message: 'no v8dbg symbols' });
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  native.start = working;
  start();
});

test('stopSync() gives the profile and frees the place, also if it fails', () => {
  const { native, start } = setup();
  assert.match(start().stopSync().data.toString(), /^profile from/);
  const profiler = start();
  native.nextFailure = nativeError('ERR_PRONGHORN_SERIALIZE_FAILED');
  assert.throws(() => profiler.stopSync(), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
  native.nextFailure = undefined;
  start();
});

test('test options reach the native half, and only through their symbol', () => {
  const { native, start } = setup();
  start({ [TEST_OPTIONS]: { intervalNanos: 100_000, v8Version: [99, 1] } });
  assert.equal(native.calls[0][1].intervalNanos, 100_000);
  assert.deepEqual(native.calls[0][1].v8Version, [99, 1]);
  assert.throws(() => setup().start({ intervalNanos: 100_000 }), { code: 'ERR_PRONGHORN_INVALID_OPTION' });
});

test('the caller is found under a foreign Error.prepareStackTrace and a stack trace limit of 0', () => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const { start } = setup();
  try {
    Error.prepareStackTrace = () => 'not a stack';
    Error.stackTraceLimit = 0;
    start();
    assert.throws(() => start({ maxDepth: 9 }), /profiler\.test\.mjs:\d+/);
    assert.equal(Error.stackTraceLimit, 0);
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
});

test('who started it may be a module instead of a line', () => {
  const native = fakeNative();
  startAs(() => native, 'pronghorn/register');
  assert.throws(() => createApi(() => native).start({ maxDepth: 9 }), /started by pronghorn\/register/);
});

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
