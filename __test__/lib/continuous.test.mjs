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
  assert.deepEqual(heard, [['start'], ['profile', 0], ['rotate', 0], ['export', 0, 'exported'], ['profile', 1], ['stop', 1], ['export', 1, 'exported']]);
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
  assert.deepEqual(numbers(exporter), [0, 1]);
  assert.equal((await again.stop()).sequence, 2);
  assert.deepEqual(numbers(exporter), [0, 1, 2]);
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
  assert.deepEqual(numbers(writing), [0, 0, 1]);
  assert.deepEqual(heard.filter(([name]) => name === 'export'), [['export', 0, 'exported'], ['export', 1, 'exported'], ['export', 0, 'dropped', 'stopped'], ['export', 1, 'dropped', 'stopped']]);
});

test('what no exporter has got is known after a stop, too', async (t) => {
  const { profiler } = setup(t, collecting({ answer: () => Promise.reject(new ExportError('down', { retry: true, retryAfterMs: 60_000 })) }), { stopTimeoutMs: 20 });
  await profiler.rotate();
  const last = await profiler.stop();
  const { exporters, profiles } = profiler.giveUpDelivery();
  assert.deepEqual([exporters, profiles.map(({ sequence }) => sequence), profiles.at(-1) === last], [['own'], [0, 1], true]);
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
