// The profiler with exporters, over a native half that only pretends: what goes where, in which order, and what a stop waits for.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createApi, startAs } from '../../build/lib/api.js';
import { ExportError } from '../../build/lib/export/exporter.js';
import { fakeNative } from './fake-native.mjs';

const CHANNELS = ['start', 'profile', 'rotate', 'stop', 'export', 'error', 'fork:reset'];

/** An exporter of the application's own, which keeps what it gets. */
function collecting({ answer = async () => ({ bytes: 1 }), sync = false } = {}) {
  const got = [];
  const send = (report) => (got.push(report), answer(report));
  return { name: 'own', got, send, ...(sync ? { sendSync: (report) => (got.push(report), { bytes: 1, path: '/x' }) } : {}) };
}

function setup(t, exporter = collecting(), more = {}) {
  const native = fakeNative();
  const heard = [];
  const listener = ({ profile, outcome, reason, error, lost }, name) => {
    const [what] = [name.slice('pronghorn:'.length)];
    heard.push([what, ...(profile === undefined ? [] : [profile.sequence]), ...(outcome === undefined ? [] : [outcome]), ...(reason === undefined || what === 'fork:reset' ? [] : [reason]), ...(error === undefined || what !== 'error' ? [] : [error.message]), ...(lost === undefined ? [] : ['lost'])]);
  };
  for (const name of CHANNELS) subscribe(`pronghorn:${name}`, listener);
  t.after(() => CHANNELS.forEach((name) => unsubscribe(`pronghorn:${name}`, listener)));
  const api = createApi(() => native);
  const options = { exporters: [exporter], service: 'shop', labels: { region: 'eu' }, ...more };
  return { native, heard, exporter, options, profiler: api.start(options), ...api };
}

const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const numbers = ({ got }) => got.map(({ profile }) => profile.sequence);

test('each profile is announced and goes to the exporters, with the service and the labels; stop() waits until the last has arrived', async (t) => {
  let release;
  const exporter = collecting({ answer: () => new Promise((resolve) => (release = () => resolve({ bytes: 5, status: 200 }))) });
  const { profiler, heard, stop } = setup(t, exporter);
  const first = await profiler.rotate();
  assert.deepEqual(exporter.got[0], { profile: first, service: 'shop', labels: { region: 'eu' } });
  release();
  let stopped = false;
  const last = stop().then((profile) => (stopped = true, profile));
  await rest(20);
  assert.deepEqual([numbers(exporter), stopped], [[0, 1], false]);
  release();
  assert.equal((await last).sequence, 1);
  assert.deepEqual(heard, [['start'], ['rotate', 0], ['profile', 0], ['export', 0, 'exported'], ['stop', 1], ['profile', 1], ['export', 1, 'exported']]);
  assert.deepEqual([profiler.stats().rotations, profiler.stats().exporters.own.exported], [1, 2]);
  assert.ok(profiler.stats().rotationMaxNanos > 0);
});

test('stop() gives the last profile at its deadline, and announces what has not arrived', async (t) => {
  const { profiler, heard } = setup(t, collecting({ answer: () => new Promise(() => undefined) }), { stopTimeoutMs: 30 });
  assert.equal((await profiler.stop()).sequence, 0);
  assert.deepEqual(heard.at(-1), ['export', 0, 'dropped', 'stopped']);
});

test('it rotates by itself after a period, and the number goes on through stop and start', async (t) => {
  const { profiler, exporter, native, start, options } = setup(t, collecting(), { periodMs: 1_000 });
  native.readClock = clock(native);
  await profiler.stop();
  const again = start(options);
  for (const end = performance.now() + 10_000; exporter.got.length < 2 && performance.now() < end; ) await rest(20);
  const last = (await again.stop()).sequence;
  assert.ok(last >= 2);
  assert.deepEqual(numbers(exporter), Array.from({ length: last + 1 }, (_one, index) => index));
});

/** The monotonic clock for real. */
const clock = () => () => ({ realtimeNanos: 1n, monotonicNanos: process.hrtime.bigint(), cpuNanos: 1n });

test('after a failure of the collector nothing is exported, which is counted and announced', async (t) => {
  const { profiler, exporter, native, heard } = setup(t);
  await profiler.rotate();
  native.onFailure('ERR_PRONGHORN_INTERNAL', 'a panic');
  await profiler.rotate();
  await profiler.stop();
  assert.deepEqual(numbers(exporter), [0]);
  assert.deepEqual(heard.filter(([name]) => name === 'export').slice(1), [['export', 1, 'dropped', 'collector failed'], ['export', 2, 'dropped', 'collector failed']]);
  assert.equal(profiler.stats().exporters.own.dropped, 2);
});

test('a failure of the scheduler stops the collector, and what there is is delivered', async (t) => {
  const { profiler, exporter, native, heard, start, options } = setup(t, collecting(), { periodMs: 1_000 });
  const { readClock } = native;
  native.readClock = () => {
    throw new Error('no clock');
  };
  for (const end = performance.now() + 10_000; profiler.failure === undefined && performance.now() < end; ) await rest(20);
  native.readClock = readClock;
  assert.equal(profiler.failure.message, 'no clock');
  for (const end = performance.now() + 5_000; exporter.got.length === 0 && performance.now() < end; ) await rest(5);
  assert.deepEqual([numbers(exporter), native.calls.at(-1)[0]], [[0], 'stop']);
  assert.ok(heard.some(([name, message]) => name === 'error' && message === 'no clock'));
  await rest(5);
  assert.notEqual(start(options), profiler);
});

test('a period that is lost has no number and goes nowhere', async (t) => {
  const { profiler, exporter, native, heard } = setup(t);
  native.nextFailure = Object.assign(new Error('no room'), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
  await assert.rejects(profiler.rotate(), { message: 'no room' });
  assert.equal((await profiler.rotate()).sequence, 0);
  assert.deepEqual(heard.find(([name]) => name === 'error'), ['error', 'no room', 'lost']);
  assert.deepEqual([profiler.stats().lostPeriods, profiler.stats().rotations, numbers(exporter)], [1, 1, [0]]);
});

test('stopSync() leaves no time: what can write does, the others’ profiles are dropped', async (t) => {
  const hanging = collecting({ answer: () => new Promise(() => undefined) });
  const writing = { ...collecting({ sync: true, answer: () => new Promise(() => undefined) }), name: 'writes' };
  const { profiler, heard } = setup(t, hanging, { exporters: [hanging, writing] });
  await profiler.rotate();
  heard.length = 0;
  const { profile, undelivered } = profiler.endSync();
  assert.equal(profile.sequence, 1);
  assert.deepEqual(undelivered, { exporters: ['own'], profiles: [] });
  // The attempt under way was ended and made anew; none was begun for the last one.
  assert.deepEqual(numbers(writing), [0, 0, 1]);
  assert.deepEqual(numbers(hanging), [0]);
  assert.deepEqual(heard.filter(([name]) => name === 'export'), [['export', 0, 'exported'], ['export', 1, 'exported'], ['export', 0, 'dropped', 'stopped'], ['export', 1, 'dropped', 'stopped']]);
});

for (const how of ['delivers', 'loses']) {
  test(`a rotation under way when the process ends: the end ${how} its period, counted and announced`, async (t) => {
    const writing = { ...collecting({ sync: true }), name: 'writes' };
    const { profiler, native, heard } = setup(t, writing);
    let release;
    native.gate = new Promise((resolve) => (release = resolve));
    if (how === 'loses') native.nextFailure = Object.assign(new Error('no room'), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
    const rotation = profiler.rotate();
    rotation.catch(() => undefined);
    const { profile, undelivered } = profiler.endSync();
    const [first, last] = how === 'delivers' ? [0, 1] : [undefined, 0];
    assert.equal(profile.sequence, last);
    assert.deepEqual(numbers(writing), how === 'delivers' ? [0, 1] : [0]);
    assert.deepEqual(undelivered, { exporters: [], profiles: [] });
    assert.deepEqual([profiler.stats().rotations, profiler.stats().lostPeriods], how === 'delivers' ? [1, 0] : [0, 1]);
    assert.deepEqual(heard.filter(([name]) => name === 'error'), how === 'delivers' ? [] : [['error', 'no room', 'lost']]);
    assert.deepEqual(heard.filter(([name]) => name === 'profile').map(([, number]) => number), how === 'delivers' ? [0, 1] : [0]);
    // The loop goes on after all: the promise has the same to say, and nothing comes twice.
    const before = heard.length;
    release();
    if (how === 'delivers') assert.equal((await rotation).sequence, first);
    else await assert.rejects(rotation, { message: 'no room' });
    await rest(5);
    assert.deepEqual([heard.length, writing.got.length], [before, how === 'delivers' ? 2 : 1]);
  });
}

test('a rotation that does not come to its end in time is counted as lost and announced, and the last profile is delivered all the same', (t) => {
  const writing = { ...collecting({ sync: true }), name: 'writes' };
  const { profiler, native, heard } = setup(t, writing);
  let release = () => undefined;
  native.gate = new Promise((resolve) => (release = resolve));
  t.after(() => release());
  profiler.rotate().catch(() => undefined);
  native.takeFinished = () => {
    throw Object.assign(new Error('a rotation is in progress'), { code: 'ERR_PRONGHORN_ROTATION_IN_PROGRESS' });
  };
  assert.equal(profiler.endSync().profile.sequence, 0);
  assert.deepEqual([numbers(writing), profiler.stats().lostPeriods, profiler.stats().rotations], [[0], 1, 0]);
  assert.deepEqual(heard.filter(([name]) => name === 'error'), [['error', 'a period is lost: a rotation under way has not come to its end within a second', 'lost']]);
});

test('a scheduled rotation under way when the process ends is delivered once', async (t) => {
  const writing = { ...collecting({ sync: true }), name: 'writes' };
  const server = collecting({ answer: () => new Promise(() => undefined) });
  const { profiler, native } = setup(t, writing, { exporters: [writing, server], periodMs: 1_000 });
  native.readClock = clock(native);
  let release;
  native.gate = new Promise((resolve) => (release = resolve));
  for (const end = performance.now() + 10_000; !native.calls.some(([name]) => name === 'rotate') && performance.now() < end; ) await rest(10);
  profiler.endSync();
  release();
  await rest(20);
  assert.deepEqual([numbers(writing), profiler.stats().exporters.own.dropped], [[0, 1], 2]);
});

test('the end of a process while a stop() is under way: the last profile is not lost', async (t) => {
  for (const when of ['during a rotation', 'during the last flush']) {
    const writing = { ...collecting({ sync: true }), name: 'writes' };
    const { profiler, native } = setup(t, writing);
    let release;
    native.gate = new Promise((resolve) => (release = resolve));
    if (when === 'during a rotation') void profiler.rotate();
    const stopped = profiler.stop();
    assert.throws(() => profiler.stopSync(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
    const { profile, undelivered } = profiler.endSync();
    assert.deepEqual([numbers(writing), undelivered.profiles], [when === 'during a rotation' ? [0, 1] : [0], []], when);
    assert.throws(() => profiler.endSync(), { code: 'ERR_PRONGHORN_NOT_STARTED' });
    release();
    if (when === 'during the last flush') assert.equal(await stopped, profile);
    else await stopped.catch(() => undefined);
    assert.equal(writing.got.length, when === 'during a rotation' ? 2 : 1);
  }
});

test('a rotate() during the jitter does not overtake the profile that is held back; what writes has each at once', async (t) => {
  const { random } = Math;
  Math.random = () => 0.9;
  t.after(() => (Math.random = random));
  const [server, writing] = [collecting(), { ...collecting({ sync: true }), name: 'writes' }];
  const { profiler, native, stop } = setup(t, server, { exporters: [server, writing], periodMs: 1_000 });
  native.readClock = clock(native);
  for (const end = performance.now() + 10_000; writing.got.length === 0 && performance.now() < end; ) await rest(10);
  assert.deepEqual([numbers(writing), numbers(server)], [[0], []]);
  await profiler.rotate();
  for (const end = performance.now() + 5_000; server.got.length < 2 && performance.now() < end; ) await rest(1);
  assert.deepEqual([numbers(writing), numbers(server)], [[0, 1], [0, 1]]);
  assert.equal((await stop()).sequence, 2);
  assert.deepEqual([numbers(writing), numbers(server)], [[0, 1, 2], [0, 1, 2]]);
});

test('a profile that is held back when the collector fails goes nowhere any more', async (t) => {
  const { random } = Math;
  Math.random = () => 0.9;
  t.after(() => (Math.random = random));
  const { profiler, exporter, native, heard } = setup(t, collecting(), { periodMs: 1_000 });
  native.readClock = clock(native);
  for (const end = performance.now() + 10_000; !heard.some(([name]) => name === 'rotate') && performance.now() < end; ) await rest(10);
  native.onFailure('ERR_PRONGHORN_INTERNAL', 'a panic');
  await profiler.stop();
  assert.deepEqual(numbers(exporter), []);
  assert.deepEqual(heard.filter(([name]) => name === 'export'), [['export', 0, 'dropped', 'collector failed'], ['export', 1, 'dropped', 'collector failed']]);
});

test('the delivery of a scheduled rotation counts as its main-thread time, also where it comes later', async (t) => {
  const slow = (sync) => collecting({ sync, answer: async () => ({ bytes: (() => { for (const end = performance.now() + 30; performance.now() < end; ); return 1; })() }) });
  for (const exporter of [slow(true), slow(false)]) {
    const { profiler, native, stop } = setup(t, exporter, { periodMs: 1_000 });
    native.readClock = clock(native);
    for (const end = performance.now() + 10_000; exporter.got.length === 0 && performance.now() < end; ) await rest(10);
    await rest(1);
    assert.ok(profiler.stats().rotationMaxNanos >= 25e6, `${profiler.stats().rotationMaxNanos}`);
    await stop();
  }
});

test('stopTimeoutMs is for the whole of a stop: what making the last profile takes is no longer there for sending it', async (t) => {
  const { profiler, native } = setup(t, collecting({ answer: () => new Promise(() => undefined) }), { stopTimeoutMs: 900 });
  const [, { sourceMapPatienceNanos }] = native.calls.find(([name]) => name === 'start');
  assert.ok(Math.abs(sourceMapPatienceNanos - 3e8) < 2, 'a rotation, the last profile and its arrival each have their part');
  native.gate = rest(600);
  const began = performance.now();
  const delays = [];
  const { setTimeout: original } = globalThis;
  globalThis.setTimeout = (act, ms, ...rest_) => (delays.push(ms), original(act, ms, ...rest_));
  try {
    await profiler.stop();
  } finally {
    globalThis.setTimeout = original;
  }
  assert.ok(performance.now() - began >= 890);
  // The wait for the arrival was set to what was left.
  assert.ok(!delays.some((ms) => ms > 600 && ms <= 900), delays.join());
});

test('names of exporters never collide', (t) => {
  const { profiler } = setup(t, undefined, { exporters: ['a', 'a', 'a 2', 'a', 'b'].map((name) => ({ name, send: async () => undefined })) });
  assert.deepEqual(Object.keys(profiler.stats().exporters).sort(), ['a', 'a 2', 'a 3', 'a 4', 'b']);
});

test('what no exporter has got is known after a stop, too, if somebody is to ask for it: once', async () => {
  const exporter = collecting({ answer: () => Promise.reject(new ExportError('down', { retry: true, retryAfterMs: 60_000 })) });
  for (const keeps of [true, false]) {
    const native = fakeNative();
    const profiler = startAs(() => native, 'x', { exporters: [exporter], stopTimeoutMs: 20 }, keeps);
    await profiler.rotate();
    const last = await profiler.stop();
    const { exporters, profiles } = profiler.giveUpDelivery();
    assert.deepEqual([exporters, profiles.map(({ sequence }) => sequence)], keeps ? [['own'], [0, 1]] : [[], []]);
    if (keeps) assert.equal(profiles.at(-1), last);
    assert.deepEqual(profiler.giveUpDelivery(), { exporters: [], profiles: [] }, 'nothing is kept for ever');
  }
});

test('an exporter that throws costs nobody anything', async (t) => {
  const throwing = { name: 'bad', send: () => { throw new TypeError('not my day'); } };
  const good = collecting();
  const { profiler, heard } = setup(t, good, { exporters: [throwing, good] });
  await profiler.stop();
  assert.deepEqual(numbers(good), [0]);
  assert.ok(heard.some((each) => each.join() === 'export,0,dropped,refused'));
});

for (const how of ['runs', 'stops']) {
  test(`a fork while it ${how}: the child has none of it, and begins with 0`, async (t) => {
    const exporter = collecting({ answer: () => new Promise(() => undefined) });
    const { profiler, native, start, options } = setup(t, exporter);
    await profiler.rotate();
    const stopped = how === 'stops' ? profiler.stop() : undefined;
    await rest(1);
    const before = exporter.got.length;
    native.fork();
    native.poll();
    if (stopped !== undefined) await assert.rejects(stopped, { code: 'ERR_PRONGHORN_FORKED' });
    const own = start(options);
    assert.equal(own === profiler, how === 'runs');
    assert.deepEqual(own.stats().exporters.own, { exported: 0, exportedBytes: 0, failures: 0, retries: 0, dropped: 0, waiting: 0, waitingBytes: 0, sendMaxNanos: 0 });
    await own.rotate();
    assert.deepEqual(numbers(exporter).slice(before), [0]);
    assert.equal(exporter.got.at(-1).profile.processId, 4_001);
  });
}

test('with exporters a second start of the whole program shares, and register names itself', (t) => {
  const { native, options } = setup(t);
  assert.throws(() => startAs(() => native, 'b', { ...options, periodMs: 2_000 }), { code: 'ERR_PRONGHORN_ALREADY_STARTED' });
});
