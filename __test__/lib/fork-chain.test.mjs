// The reset after a fork, over a native half that only pretends: the order, the verdicts, failures and retries.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createApi, startExclusively } from '../../build/lib/api.js';
import { forkAware } from '../../build/lib/fork/aware.js';
import { ORDER } from '../../build/lib/fork/component.js';
import { verdictOn } from '../../build/lib/fork/verdict.js';
import { TEST_OPTIONS, validateOptions } from '../../build/lib/options.js';
import { fakeNative } from './fake-native.mjs';

const CHANNELS = ['pronghorn:start', 'pronghorn:rotate', 'pronghorn:stop', 'pronghorn:error', 'pronghorn:fork:reset'];

/** The functions of the package over a fake, and all that they publish. */
function setup(t) {
  const native = fakeNative();
  const heard = [];
  const listener = (message, name) => heard.push({ name: name.slice('pronghorn:'.length), ...message });
  for (const name of CHANNELS) subscribe(name, listener);
  t.after(() => CHANNELS.forEach((name) => unsubscribe(name, listener)));
  return { native, heard, ...createApi(() => native) };
}

/** With an exporter there is a queue, and a scheduler. */
const nowhere = { name: 'nowhere', send: () => new Promise(() => undefined) };

const names = (native) => native.calls.map(([name]) => name);
const NATIVE_RESET = ['hooksOff', 'resetCollector', 'resetRecorder', 'resetBinding'];

/** A component that tells when it is called. */
function spy(name, log) {
  return {
    name,
    hooksOff: () => log.push(`hooks off: ${name}`),
    resetAfterFork: () => log.push(`reset: ${name}`),
    start: () => log.push(`start: ${name}`),
    started: () => log.push(`started: ${name}`),
  };
}

test('all hooks are off before anything is reset, and all is reset before anything starts', (t) => {
  const { native, start } = setup(t);
  start();
  const log = [];
  // Joined in the wrong order: the list's own holds.
  for (const name of ORDER.toReversed()) forkAware(native).chain.join(spy(name, log));
  native.fork();
  native.poll();
  const round = (what) => ORDER.map((name) => `${what}: ${name}`);
  assert.deepEqual(log, [...round('hooks off'), ...round('reset'), ...round('start'), ...round('started')]);
  assert.deepEqual(names(native), [...NATIVE_RESET, 'start']);
});

test('the profiler goes on in the child as a new one: same object, no promise, no number, one reading', async (t) => {
  const { native, start, heard } = setup(t);
  const profiler = start({ maxDepth: 64 });
  const inParent = await profiler.rotate();
  await profiler.rotate();
  heard.length = 0;
  native.fork();
  native.poll();
  const options = native.calls.at(-1)[1];
  const reading = native.calls.find(([name]) => name === 'resetRecorder')[1];
  assert.equal(options.reading, reading);
  assert.deepEqual(options.labels, [{ key: 'process id', number: 4_001 }]);
  assert.equal(start({ maxDepth: 64 }), profiler);
  const inChild = await profiler.rotate();
  assert.equal(inChild.startTimeNanos, reading.realtimeNanos);
  assert.deepEqual([inParent.sequence, inParent.processId], [0, 4_000]);
  assert.deepEqual([inChild.sequence, inChild.processId], [0, 4_001]);
  assert.notEqual(inChild.runtimeId, inParent.runtimeId);
  assert.deepEqual(options.comments, [
    `runtime id ${inChild.runtimeId}`,
    `parent runtime id ${inParent.runtimeId}`,
    `root runtime id ${inParent.runtimeId}`,
  ]);
  const reset = heard.find((each) => each.name === 'fork:reset');
  assert.deepEqual(reset, { name: 'fork:reset', generation: 1, pid: 4_001, parentPid: 4_000, unprofiledNanos: 4_000n, restarted: true, reason: undefined });
  assert.deepEqual(heard.map((each) => each.name), ['start', 'fork:reset', 'rotate']);
});

test('a child of a child remembers its parent and the root', async (t) => {
  const { native, start } = setup(t);
  const profiler = start();
  const ids = [(await profiler.rotate()).runtimeId];
  for (const generation of [1, 2, 3]) {
    native.fork();
    native.poll();
    const profile = await profiler.rotate();
    const { comments } = native.calls.find(([name]) => name === 'start')[1];
    assert.deepEqual(comments, [`runtime id ${profile.runtimeId}`, `parent runtime id ${ids.at(-1)}`, `root runtime id ${ids[0]}`]);
    assert.deepEqual([profile.sequence, profile.processId], [0, 4_000 + generation]);
    ids.push(profile.runtimeId);
  }
  assert.equal(new Set(ids).size, 4);
});

test('any call into the API resets first, once, and then does its work in the child', async (t) => {
  const calls = {
    start: ({ start }) => start(),
    'another start': ({ start }) => assert.throws(() => start({ maxDepth: 9 }), { code: 'ERR_PRONGHORN_ALREADY_STARTED' }),
    stop: ({ stop }) => stop(),
    profile: ({ profile }) => assert.rejects(profile({ durationMs: 1 }), { code: 'ERR_PRONGHORN_ALREADY_STARTED' }),
    'profiler.rotate': ({ profiler }) => profiler.rotate(),
    'profiler.stop': ({ profiler }) => profiler.stop(),
    'profiler.stopSync': ({ profiler }) => profiler.stopSync(),
    'profiler.stats': ({ profiler }) => profiler.stats(),
    'profiler.capabilities': ({ profiler }) => profiler.capabilities,
    'profiler.failure': ({ profiler }) => assert.equal(profiler.failure, undefined),
    'profiler.resetAfterFork': ({ profiler }) => assert.equal(profiler.resetAfterFork(), true),
    resetAfterFork: ({ resetAfterFork }) => assert.equal(resetAfterFork(), true),
  };
  for (const [name, call] of Object.entries(calls)) {
    const made = setup(t);
    const profiler = made.start();
    made.native.fork();
    const result = await call({ ...made, profiler });
    assert.deepEqual(names(made.native).slice(0, 5), [...NATIVE_RESET, 'start'], name);
    made.native.poll();
    assert.equal(names(made.native).filter((each) => each === 'hooksOff').length, 1, name);
    assert.equal(made.resetAfterFork(), false, name);
    if (result?.data !== undefined) assert.deepEqual([result.processId, result.sequence], [4_001, 0], name);
  }
});

test('resetAfterFork() changes nothing in a process that was not forked off, nor where the native half cannot be loaded', (t) => {
  const { native, start, resetAfterFork } = setup(t);
  assert.equal(resetAfterFork(), false);
  start();
  assert.equal(resetAfterFork(), false);
  assert.deepEqual(names(native), ['start']);
  const { resetAfterFork: without } = createApi(() => {
    throw new Error('no binary');
  });
  assert.equal(without(), false);
});

test("with afterFork: 'stop' the child is reset and stays off, until somebody starts the profiler there", async (t) => {
  const { native, start, stop, heard } = setup(t);
  const profiler = start({ afterFork: 'stop' });
  native.fork();
  native.poll();
  assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
  assert.equal(heard.at(-1).reason, "the option afterFork is 'stop'");
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_FORKED' });
  await assert.rejects(profiler.stop(), { code: 'ERR_PRONGHORN_FORKED' });
  for (const use of [() => profiler.stopSync(), () => profiler.stats(), () => profiler.capabilities]) assert.throws(use, { code: 'ERR_PRONGHORN_FORKED' });
  const other = start();
  assert.notEqual(other, profiler);
  assert.equal((await other.rotate()).sequence, 0);
  // The old one has no part in the next fork.
  native.fork();
  native.poll();
  await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_FORKED' });
  assert.equal((await other.rotate()).processId, 4_002);
});

test('what was stopped in the parent stays stopped, and keeps its last words', async (t) => {
  const { native, start, stop, resetAfterFork, heard } = setup(t);
  const profiler = start();
  const last = await profiler.stop();
  native.fork();
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
  assert.equal(resetAfterFork(), false);
  assert.equal(heard.at(-1).reason, 'it did not run in the parent');
  assert.equal(await profiler.stop(), last);
  assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
  assert.equal((await start().rotate()).processId, 4_001);
});

test('what had failed in the parent starts afresh', (t) => {
  const { native, start } = setup(t);
  const profiler = start();
  native.onFailure('ERR_PRONGHORN_INTERNAL', 'a panic');
  native.fork();
  native.poll();
  assert.equal(profiler.failure, undefined);
  assert.equal(start(), profiler);
});

test("what had failed in the parent is off where afterFork is 'stop', and has not failed", async (t) => {
  const { native, start, stop, heard } = setup(t);
  const profiler = start({ afterFork: 'stop' });
  native.onFailure('ERR_PRONGHORN_INTERNAL', 'a panic');
  native.fork();
  native.poll();
  assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
  assert.deepEqual([heard.at(-1).restarted, heard.at(-1).reason], [false, "the option afterFork is 'stop'"]);
  assert.equal(profiler.failure, undefined);
  await assert.rejects(stop(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
});

test('promises that are pending at the fork reject in the child, and what comes late is nobody’s', async (t) => {
  for (const what of ['rotate', 'stop', 'stop behind a rotation']) {
    const { native, start, heard } = setup(t);
    const profiler = start();
    const { promise, resolve } = Promise.withResolvers?.() ?? withResolvers();
    native.gate = promise;
    const pending = what === 'stop behind a rotation' ? [profiler.rotate(), profiler.stop()] : [profiler[what]()];
    native.fork();
    native.poll();
    for (const each of pending) await assert.rejects(each, { code: 'ERR_PRONGHORN_FORKED' }, what);
    heard.length = 0;
    resolve();
    native.gate = undefined;
    await new Promise(setImmediate);
    assert.deepEqual(heard, [], what);
    if (what === 'rotate') assert.equal((await profiler.rotate()).sequence, 0);
    else {
      await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_FORKED' }, what);
      assert.equal(start() === profiler, false, what);
    }
    assert.ok(!names(native).includes('stop'), what);
  }
});

test('a result that was ready at the fork and is delivered before the loop polls is the parent’s', async (t) => {
  const { native, start } = setup(t);
  const rotation = start().rotate();
  // The native promise has settled; its reactions run after the fork.
  native.fork();
  await assert.rejects(rotation, { code: 'ERR_PRONGHORN_FORKED' });
  assert.deepEqual(names(native), [...NATIVE_RESET, 'start']);
});

test('profile() rejects in the child, which stays off; its timer does not keep the child alive', async (t) => {
  const { native, start, profile } = setup(t);
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const controller = new AbortController();
  const running = profile({ durationMs: 60_000, signal: controller.signal });
  assert.equal(timers(), before + 1);
  native.fork();
  native.poll();
  await assert.rejects(running, { code: 'ERR_PRONGHORN_FORKED' });
  assert.equal(timers(), before);
  controller.abort();
  assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
  start();
});

test('a profile() whose time is over before the child’s loop polls gives nothing of the parent’s', async (t) => {
  const { native, profile } = setup(t);
  const running = profile({ durationMs: 1 });
  native.fork();
  await assert.rejects(running, { code: 'ERR_PRONGHORN_FORKED' });
  assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
});

test('a promise that nobody looks at does not end the child', async (t) => {
  const { native, start } = setup(t);
  const unhandled = [];
  const listener = (error) => unhandled.push(error);
  process.on('unhandledRejection', listener);
  t.after(() => process.off('unhandledRejection', listener));
  void start().rotate();
  native.fork();
  native.poll();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(unhandled, []);
});

test('who has the profiler to himself in the parent is named in the child, which stays off', (t) => {
  const reasons = {
    'profile()': 'profile() was under way in the parent, whose caller alone gets its profile',
    // Of a primary, and of its workers.
    'startCluster()': 'it ran in the parent for a session of startCluster(), which this process has no part in',
    'profileCluster()': 'it ran in the parent for a session of profileCluster(), which this process has no part in',
  };
  for (const [owner, reason] of Object.entries(reasons)) {
    const { native, heard } = setup(t);
    startExclusively(() => native, 'a test', validateOptions({ afterFork: 'restart' }), {}, owner);
    native.fork();
    native.poll();
    assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
    assert.deepEqual([heard.at(-1).restarted, heard.at(-1).reason], [false, reason]);
  }
});

test('an entry of a copy that does not know owners was made by profile()', () => {
  const { reason } = verdictOn({ exclusive: true, profiler: { options: {} } }, { late: false });
  assert.match(reason, /^profile\(\) was under way/);
});

test('a late fork starts nothing in the child, ever, and says why', async (t) => {
  const { native, start, profile, heard } = setup(t);
  const profiler = start();
  native.fork({ late: true });
  native.poll();
  assert.deepEqual(names(native), [...NATIVE_RESET, 'acknowledgeFork']);
  assert.equal(heard.find((each) => each.name === 'error').error.code, 'ERR_PRONGHORN_FORKED');
  assert.match(heard.at(-1).reason, /inside V8/);
  assert.equal(heard.at(-1).restarted, false);
  assert.throws(() => start(), { code: 'ERR_PRONGHORN_FORKED', message: /inside V8/ });
  await assert.rejects(profile({ durationMs: 1 }), { code: 'ERR_PRONGHORN_FORKED' });
  assert.throws(() => profiler.stats(), { code: 'ERR_PRONGHORN_FORKED' });
  native.fork({ late: false });
  assert.throws(() => start(), { code: 'ERR_PRONGHORN_FORKED' });
});

test('a fork on a worker thread refuses every call, touches nothing, and is told of once', async (t) => {
  const { native, start, stop, profile, resetAfterFork, heard } = setup(t);
  const profiler = start();
  native.fork({ worker: true });
  native.poll();
  const refused = { code: 'ERR_PRONGHORN_FORKED_IN_WORKER' };
  for (const use of [start, resetAfterFork, () => profiler.stats(), () => profiler.stopSync()]) assert.throws(use, refused);
  for (const use of [stop, () => profile({ durationMs: 1 }), () => profiler.rotate(), () => profiler.stop()]) await assert.rejects(use(), refused);
  assert.equal(profiler.failure.code, refused.code);
  assert.deepEqual(names(native), []);
  assert.deepEqual(heard.map((each) => each.name), ['start', 'error', 'fork:reset']);
});

/** Every step of a reset that starts the profiler again. */
const steps = [
  ...['hooks off', 'reset'].flatMap((round) => ORDER.map((name) => `${round}: ${name}`)).filter((step) => !step.endsWith('whole program')),
  'start: execve',
  'start: profiler',
];

for (const step of steps) {
  test(`"${step}" fails once: the profiler is off, the application hears of it, and the next call begins from the beginning`, async (t) => {
    const { native, start, heard } = setup(t);
    const profiler = start({ exporters: [nowhere], [TEST_OPTIONS]: { failResetStep: { step, times: 1 } } });
    native.fork();
    native.poll();
    assert.ok(!names(native).includes('start'));
    assert.equal(names(native).at(-1), 'hooksOff');
    const failure = heard.find((each) => each.name === 'error').error;
    assert.equal(failure.code, 'ERR_PRONGHORN_FORKED');
    assert.match(failure.cause.message, /a test makes/);
    assert.deepEqual([heard.at(-1).name, heard.at(-1).restarted, heard.at(-1).reason], ['fork:reset', false, failure.message]);
    native.calls.length = 0;
    assert.deepEqual(profiler.stats().samples, 3);
    assert.deepEqual(names(native), [...NATIVE_RESET, 'start']);
    assert.deepEqual([heard.at(-1).name, heard.at(-1).restarted], ['fork:reset', true]);
    assert.equal((await profiler.rotate()).sequence, 0);
  });

  test(`"${step}" always fails: every call throws why, none hangs`, async (t) => {
    const { native, start, stop, profile, heard } = setup(t);
    const profiler = start({ exporters: [nowhere], [TEST_OPTIONS]: { failResetStep: { step, times: Infinity } } });
    native.fork();
    for (let attempt = 0; attempt < 3; attempt++) native.poll();
    const refused = { code: 'ERR_PRONGHORN_FORKED', message: /a test makes/ };
    for (const use of [start, () => profiler.stats(), () => profiler.capabilities, () => profiler.stopSync()]) assert.throws(use, refused);
    for (const use of [stop, () => profile({ durationMs: 1 }), () => profiler.rotate(), () => profiler.stop()]) await assert.rejects(use(), refused);
    assert.match(profiler.failure.message, /a test makes/);
    assert.equal(native.forkState().forked, true);
    assert.equal(heard.filter((each) => each.name === 'fork:reset').length, 12);
    assert.ok(!names(native).includes('start'));
  });
}

test('a step that fails does not change the verdict of the first attempt', async (t) => {
  const { native, start, resetAfterFork } = setup(t);
  const profiler = start({ [TEST_OPTIONS]: { failResetStep: { step: 'stay off', times: 1 } } });
  const { promise } = withResolvers();
  native.gate = promise;
  const stopped = profiler.stop();
  native.fork();
  native.poll();
  await assert.rejects(stopped, { code: 'ERR_PRONGHORN_FORKED' });
  assert.equal(resetAfterFork(), true);
  assert.ok(!names(native).includes('start'));
});

test('a native half that fails is a failed step too', (t) => {
  const { native, start, heard } = setup(t);
  const profiler = start();
  const { start: working } = native;
  native.start = () => {
    throw Object.assign(new Error('no signal number is free'), { code: 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME' });
  };
  native.fork();
  native.poll();
  assert.match(heard.at(-1).reason, /no signal number is free/);
  native.start = working;
  assert.equal(start(), profiler);
});

test('a listener that calls into the API from an announcement finds what there is, without a second attempt', (t) => {
  const { native, start } = setup(t);
  const profiler = start({ [TEST_OPTIONS]: { failResetStep: { step: 'reset: recorder', times: 1 } } });
  const heard = [];
  const listener = (_message, name) => {
    try {
      heard.push([name, profiler.stats().samples]);
    } catch (error) {
      heard.push([name, error.code]);
    }
  };
  for (const name of CHANNELS) subscribe(name, listener);
  t.after(() => CHANNELS.forEach((name) => unsubscribe(name, listener)));
  native.fork();
  native.poll();
  native.poll();
  assert.deepEqual(heard, [
    ['pronghorn:error', 'ERR_PRONGHORN_FORKED'],
    ['pronghorn:fork:reset', 'ERR_PRONGHORN_FORKED'],
    ['pronghorn:start', 3],
    ['pronghorn:fork:reset', 3],
  ]);
});

/** Calls `act` in the next listener of a channel. */
function once(name, act) {
  const listener = () => {
    unsubscribe(name, listener);
    act();
  };
  subscribe(name, listener);
}

for (const channel of ['pronghorn:start', 'pronghorn:fork:reset']) {
  test(`a listener of ${channel} that forks in the middle of a reset: the rest of it is the parent's, and the child has one of its own`, async (t) => {
    const { native, start, heard } = setup(t);
    const profiler = start();
    native.fork();
    once(channel, () => native.fork());
    heard.length = 0;
    native.poll();
    assert.equal(native.forkState().forked, false);
    assert.deepEqual(names(native), [...NATIVE_RESET, 'start']);
    const resets = heard.filter((each) => each.name === 'fork:reset').map(({ pid, parentPid, restarted }) => ({ pid, parentPid, restarted }));
    // The test's own listener is there before the one that forks, and hears what the parent hears.
    const ofParent = channel === 'pronghorn:fork:reset' ? [{ pid: 4_001, parentPid: 4_000, restarted: true }] : [];
    assert.deepEqual(resets, [...ofParent, { pid: 4_002, parentPid: 4_001, restarted: true }]);
    assert.equal(profiler.resetAfterFork(), false);
    assert.equal((await profiler.rotate()).processId, 4_002);
  });
}

test('the child of a listener that calls into the API there and then is reset by that call, and by no other', (t) => {
  const { native, start, heard } = setup(t);
  const profiler = start();
  native.fork();
  const called = [];
  once('pronghorn:start', () => {
    called.push(profiler.resetAfterFork());
    native.fork();
    called.push(profiler.resetAfterFork(), profiler.resetAfterFork(), profiler.stats().samples);
  });
  heard.length = 0;
  native.poll();
  assert.deepEqual(called, [false, true, false, 3]);
  assert.deepEqual(names(native).filter((name) => name === 'start'), ['start']);
  assert.deepEqual(heard.filter((each) => each.name === 'fork:reset').map(({ pid }) => pid), [4_002]);
});

test('a reset that has failed in the parent of a listener’s child has not failed in the child', (t) => {
  const { native, start, heard } = setup(t);
  const profiler = start({ [TEST_OPTIONS]: { failResetStep: { step: 'reset: recorder', times: 1 } } });
  native.fork();
  once('pronghorn:error', () => native.fork());
  heard.length = 0;
  assert.equal(profiler.resetAfterFork(), true);
  assert.deepEqual(heard.filter((each) => each.name === 'fork:reset').map(({ pid, restarted }) => ({ pid, restarted })), [{ pid: 4_002, restarted: true }]);
  assert.equal(profiler.failure, undefined);
});

test('several copies of the package run one chain, each with its own part', async (t) => {
  const { native, start } = setup(t);
  const { createApi: copied } = await import('../../build/lib/api.js?copy');
  const copy = copied(() => native);
  const profiler = start();
  assert.equal(copy.start(), profiler);
  native.fork();
  assert.equal(copy.resetAfterFork(), true);
  assert.deepEqual(names(native), [...NATIVE_RESET, 'start']);
  assert.equal(copy.start(), profiler);
  assert.equal((await copy.stop()).processId, 4_001);
});

test('the clock of the reset can be given', async (t) => {
  const { native, start } = setup(t);
  const resetReading = { realtimeNanos: 123_000_000_000n, monotonicNanos: 42_000n, cpuNanos: 7n };
  const profiler = start({ [TEST_OPTIONS]: { resetReading } });
  native.fork();
  native.poll();
  assert.equal((await profiler.rotate()).startTimeNanos, 123_000_000_000n);
  assert.ok(!('resetReading' in native.calls.at(-2)[1]));
});

test('a period that is lost is named from the last flush, which is the reset’s reading in a child', async (t) => {
  const { native, start, heard } = setup(t);
  const resetReading = { realtimeNanos: 123_000_000_000n, monotonicNanos: 42_000n, cpuNanos: 7n };
  const profiler = start({ [TEST_OPTIONS]: { resetReading } });
  await profiler.rotate();
  native.fork();
  native.poll();
  native.nextFailure = Object.assign(new Error('full'), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
  await assert.rejects(profiler.rotate(), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
  assert.equal(heard.at(-1).lost.startTimeNanos, 123_000_000_000n);
});

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
