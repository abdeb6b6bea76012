// The queue of one exporter, in a time that stands still until the test moves it.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { ExportError } from '../../build/lib/export/exporter.js';
import { ExportQueue } from '../../build/lib/export/queue.js';
import { backoffMs, mayRetry, retryAfterMs } from '../../build/lib/export/retry.js';
import { fakeTime, settle } from './fake-time.mjs';

const LIMITS = { maxProfiles: 3, maxBytes: 1_000, maxAgeMs: 3_600_000 };
const report = (sequence, bytes = 10) => ({ profile: { sequence, data: Buffer.alloc(bytes) }, service: 's', labels: {} });
const down = (more = {}) => new ExportError('down', { retry: true, ...more });

/** A queue for an exporter that answers as `answers` say: a value, an error, a function, or undefined, which is never. */
function setup(t, { limits = {}, sendSync, keepsLeft = false, longestAgeMs } = {}) {
  const time = fakeTime();
  time.chance = 1;
  const sent = [];
  const heard = [];
  const signals = [];
  const world = { answer: () => ({ bytes: 7 }), joined: true };
  const exporter = {
    name: 'x',
    ...(longestAgeMs === undefined ? {} : { longestAgeMs }),
    send({ profile: { sequence } }, signal) {
      sent.push([time.now(), sequence]);
      signals.push(signal);
      const answer = world.answer(sequence, sent.length);
      return answer === undefined ? new Promise(() => undefined) : answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    ...(sendSync === undefined ? {} : { sendSync }),
  };
  const listener = ({ profile: { sequence }, outcome, reason, attempts, exporter: place }) => heard.push([place, sequence, outcome, reason ?? attempts]);
  subscribe('pronghorn:export', listener);
  t.after(() => unsubscribe('pronghorn:export', listener));
  const queue = new ExportQueue({ exporter, place: 'x', limits: { ...LIMITS, ...limits }, keepsLeft, time, join: () => () => (world.joined = false) });
  return { time, sent, heard, signals, world, queue };
}

test('profiles are sent in order, one at a time', async (t) => {
  const { time, sent, heard, world, queue } = setup(t);
  const open = [];
  world.answer = () => new Promise((resolve) => open.push(resolve));
  for (const sequence of [0, 1, 2]) queue.push(report(sequence));
  await time.pass(100);
  assert.deepEqual(sent, [[0, 0]]);
  open.shift()({ bytes: 5 });
  await settle();
  assert.deepEqual(sent, [[0, 0], [100, 1]]);
  assert.equal(queue.stats().waiting, 2);
  for (let index = 0; index < 2; index++) {
    open.shift()({ bytes: 5 });
    await settle();
  }
  assert.deepEqual(heard, [['x', 0, 'exported', 1], ['x', 1, 'exported', 1], ['x', 2, 'exported', 1]]);
  const { sendMaxNanos, ...stats } = queue.stats();
  assert.equal(sendMaxNanos, 0);
  assert.deepEqual(stats, { exported: 3, exportedBytes: 15, failures: 0, retries: 0, dropped: 0, waiting: 0, waitingBytes: 0 });
});

test('what fails is tried again after pauses that double, up to a minute', async (t) => {
  const { time, sent, heard, world, queue } = setup(t);
  world.answer = (_sequence, attempt) => (attempt < 9 ? down() : { bytes: 1 });
  queue.push(report(0));
  await time.pass(600_000);
  const pauses = sent.map(([at], index) => at - (sent[index - 1]?.[0] ?? 0));
  assert.deepEqual(pauses, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  assert.deepEqual(heard.at(-1), ['x', 0, 'exported', 9]);
  const { failures, retries, exported, dropped } = queue.stats();
  assert.deepEqual([failures, retries, exported, dropped], [8, 8, 1, 0]);
});

test('full jitter: a pause is anything from nothing to its limit', () => {
  assert.deepEqual([backoffMs(1, 0), backoffMs(3, 0.5), backoffMs(100, 1)], [0, 2_000, 60_000]);
});

test('what a place refuses for good is dropped at once, and what follows is sent', async (t) => {
  const { time, sent, heard, world, queue } = setup(t);
  world.answer = (sequence) => (sequence === 0 ? new ExportError('no', { retry: false, status: 400 }) : sequence === 1 ? new Error('a defect') : { bytes: 1 });
  for (const sequence of [0, 1, 2]) queue.push(report(sequence));
  await time.pass(0);
  assert.deepEqual(sent.map(([, sequence]) => sequence), [0, 1, 2]);
  assert.deepEqual(heard, [['x', 0, 'dropped', 'refused'], ['x', 1, 'dropped', 'refused'], ['x', 2, 'exported', 1]]);
});

test('an exporter that throws instead of rejecting is no different', async (t) => {
  const { time, heard, world, queue } = setup(t);
  world.answer = () => {
    throw new Error('at once');
  };
  queue.push(report(0));
  await time.pass(0);
  assert.deepEqual(heard, [['x', 0, 'dropped', 'refused']]);
});

test('what an exporter of the application’s resolves with may be anything: the profile has arrived, and nothing is thrown where nobody is', async (t) => {
  const unhandled = [];
  const note = (error) => unhandled.push(error);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  const hostile = { get bytes() { throw new Error('not for you'); } };
  const nothings = [undefined, null, 7, 'done', {}, { bytes: Number.NaN }, { bytes: '5' }, hostile];
  const { time, heard, world, queue } = setup(t, { limits: { maxProfiles: 20 } });
  world.answer = (sequence) => Promise.resolve(nothings[sequence]);
  nothings.forEach((_, sequence) => queue.push(report(sequence)));
  await time.pass(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([queue.stats().exported, queue.stats().exportedBytes, queue.stats().waiting], [8, 80, 0]);
  world.answer = () => Promise.resolve({ bytes: 3, status: 204, path: '/x' });
  queue.push(report(8));
  await time.pass(0);
  // Thrown: what has no message, no text, and is no error.
  for (const thrown of [undefined, Object.create(null), Object.assign(down(), { retryAfterMs: Number.NaN })]) {
    world.answer = (_sequence, attempt) => (attempt > 12 ? { bytes: 0 } : Promise.reject(thrown));
    queue.push(report(9));
    await time.pass(100_000);
  }
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
  assert.deepEqual([queue.stats().exportedBytes, queue.stats().dropped, queue.stats().waiting, heard.length > 9], [83, 2, 0, true]);
});

test('nor does sendSync() have to say how much it was', (t) => {
  const { queue, heard } = setup(t, { sendSync: () => undefined });
  queue.push(report(0), { begin: false });
  queue.sendNow();
  assert.deepEqual([heard, queue.stats().exportedBytes], [[['x', 0, 'exported', 1]], 10]);
});

test('a sendSync() that returns a promise has not sent anything, and its rejection ends no program', async (t) => {
  const unhandled = [];
  const note = (error) => unhandled.push(error);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  const { queue, heard } = setup(t, { sendSync: async () => { throw new Error('too late'); } });
  queue.push(report(0), { begin: false });
  queue.sendNow();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([heard, unhandled], [[['x', 0, 'dropped', 'refused']], []]);
});

test('at the end of a process nothing is begun that sendNow() does anyway', async (t) => {
  const { time, sent, queue } = setup(t);
  queue.push(report(0), { begin: false });
  await time.pass(10_000);
  assert.deepEqual([sent, queue.stats().waiting], [[], 1]);
});

test('a place that is down is down for every profile: the pauses go on growing until it answers', async (t) => {
  const { time, sent, world, queue } = setup(t, { limits: { maxAgeMs: 10_000 } });
  world.answer = (sequence) => (sequence < 2 ? down() : sequence === 2 ? new ExportError('no', { retry: false }) : down());
  for (const sequence of [0, 1]) queue.push(report(sequence));
  await time.pass(10_000);
  // 0 at 0, 1, 3, 7 and 10 s, where its time is over, and so is that of 1.
  assert.deepEqual(sent, [[0, 0], [1_000, 0], [3_000, 0], [7_000, 0], [10_000, 0], [10_000, 1]]);
  sent.length = 0;
  queue.push(report(2));
  queue.push(report(3));
  await time.pass(0);
  await time.pass(1_000);
  assert.deepEqual(sent, [[10_000, 2], [10_000, 3], [11_000, 3]], 'a refusal is an answer');
  const other = setup(t, { limits: { maxProfiles: 1 } });
  other.world.answer = () => down();
  other.queue.push(report(0));
  await other.time.pass(7_000);
  other.queue.push(report(1));
  assert.deepEqual(other.heard.at(-1), ['x', 0, 'dropped', 'full']);
  other.sent.length = 0;
  await other.time.pass(30_000);
  assert.deepEqual(other.sent, [[15_000, 1], [31_000, 1]]);
});

test('Retry-After is honoured, and capped by the age limit', async (t) => {
  for (const [retryAfterMs_, second] of [[45_000, 45_000], [10_000_000, 100_000]]) {
    const { time, sent, heard, world, queue } = setup(t, { limits: { maxAgeMs: 100_000 } });
    world.answer = () => down({ retryAfterMs: retryAfterMs_ });
    queue.push(report(0));
    await time.pass(second);
    assert.deepEqual(sent.map(([at]) => at), [0, second]);
    await time.pass(100_000);
    assert.deepEqual(heard.at(-1).slice(2), ['dropped', 'too old']);
    heard.length = 0;
  }
});

test('the number of those that wait is bounded: the oldest are dropped, but not the one on its way', async (t) => {
  const { time, heard, world, queue } = setup(t);
  world.answer = () => undefined;
  for (let sequence = 0; sequence < 6; sequence++) queue.push(report(sequence));
  await time.pass(0);
  assert.deepEqual(heard, [['x', 1, 'dropped', 'full'], ['x', 2, 'dropped', 'full']]);
  assert.deepEqual([queue.stats().waiting, queue.stats().dropped], [4, 2]);
});

test('so are their bytes, but the newest stays whatever its size', async (t) => {
  const { time, heard, world, queue } = setup(t);
  world.answer = () => down();
  queue.push(report(0, 400));
  await time.pass(0);
  queue.push(report(1, 500));
  assert.equal(queue.stats().waitingBytes, 900);
  queue.push(report(2, 5_000));
  assert.deepEqual(heard.slice(1), [['x', 0, 'dropped', 'full'], ['x', 1, 'dropped', 'full']]);
  assert.deepEqual([queue.stats().waiting, queue.stats().waitingBytes], [1, 5_000]);
});

test('an exporter that never answers is given up at the age limit, and the next profile is tried', async (t) => {
  const { time, sent, heard, signals, world, queue } = setup(t, { limits: { maxAgeMs: 10_000 } });
  world.answer = (sequence) => (sequence === 0 ? undefined : { bytes: 1 });
  queue.push(report(0));
  queue.push(report(1));
  await time.pass(10_000);
  assert.equal(signals[0].aborted, true);
  assert.deepEqual(heard, [['x', 0, 'dropped', 'too old'], ['x', 1, 'exported', 1]]);
  assert.deepEqual(sent, [[0, 0], [10_000, 1]]);
});

test('a stall of minutes during a pause or an attempt drops nothing', async (t) => {
  const { time, heard, world, queue } = setup(t);
  world.answer = (_sequence, attempt) => (attempt === 1 ? down() : { bytes: 1 });
  queue.push(report(0));
  await time.pass(500);
  await time.stall(600_000);
  assert.deepEqual(heard.map(([, , outcome]) => outcome), ['failed', 'exported']);
});

test('close() waits for what is on its way, and leaves the chain', async (t) => {
  const { time, world, queue } = setup(t);
  const open = [];
  world.answer = () => new Promise((resolve) => open.push(resolve));
  queue.push(report(0));
  await settle();
  let closed = false;
  const closing = queue.close(5_000).then(() => (closed = true));
  await time.pass(4_000);
  assert.deepEqual([closed, world.joined], [false, true]);
  open.shift()({ bytes: 1 });
  await closing;
  assert.deepEqual([queue.stats().exported, queue.stats().dropped, world.joined, time.waits()], [1, 0, false, []]);
});

test('close() with nothing to send is over at once', async (t) => {
  const { world, queue } = setup(t);
  await queue.close(5_000);
  assert.equal(world.joined, false);
});

test('close() cuts a pause short, and goes on trying as long as there is time', async (t) => {
  const { time, sent, heard, world, queue } = setup(t);
  world.answer = (_sequence, attempt) => (attempt < 5 ? down() : { bytes: 1 });
  queue.push(report(0));
  await time.pass(1_000);
  await time.pass(500);
  assert.equal(sent.length, 2);
  const closing = queue.close(30_000);
  await time.pass(30_000);
  await closing;
  assert.deepEqual(sent.map(([at]) => at), [0, 1_000, 1_500, 5_500, 13_500]);
  assert.equal(heard.at(-1)[2], 'exported');
});

test('close() keeps to a pause that the place has asked for: nothing is sent before it ends', async (t) => {
  const { time, sent, heard, world, queue } = setup(t);
  world.answer = (_sequence, attempt) => (attempt < 2 ? down({ retryAfterMs: 3_000 }) : { bytes: 1 });
  for (const sequence of [0, 1, 2]) queue.push(report(sequence));
  await time.pass(1_000);
  const closing = queue.close(5_000);
  await time.pass(1_999);
  assert.equal(sent.length, 1);
  await time.pass(1);
  await closing;
  assert.deepEqual(sent, [[0, 0], [3_000, 0], [3_000, 1], [3_000, 2]]);
  assert.deepEqual(heard.slice(1).map(([, , outcome]) => outcome), ['exported', 'exported', 'exported']);
});

test('close() gives up everything at once where the place wants to be left alone for longer, and asks it nothing more', async (t) => {
  for (const moment of ['before', 'meanwhile']) {
    const { time, sent, heard, world, queue } = setup(t, { limits: { maxProfiles: 9, maxAgeMs: 100_000 } });
    world.answer = () => down({ retryAfterMs: 3_600_000 });
    queue.push(report(0));
    if (moment === 'before') await settle();
    for (const sequence of [1, 2, 3, 4]) queue.push(report(sequence));
    let closed = false;
    const closing = queue.close(5_000).then(() => (closed = true));
    await time.pass(0);
    assert.equal(closed, true);
    await closing;
    assert.deepEqual(sent, [[0, 0]]);
    assert.deepEqual(heard.filter(([, , outcome]) => outcome === 'dropped').map(([, sequence, , reason]) => [sequence, reason]), [0, 1, 2, 3, 4].map((sequence) => [sequence, 'stopped']));
    assert.deepEqual([queue.stats().dropped, world.joined, time.waits()], [5, false, []]);
  }
});

test('close() gives up at its deadline what hangs and what waits behind it, and announces each', async (t) => {
  const { time, heard, signals, world, queue } = setup(t);
  world.answer = () => undefined;
  queue.push(report(0));
  queue.push(report(1));
  await settle();
  const closing = queue.close(5_000);
  await time.pass(4_999);
  assert.deepEqual(heard, []);
  await time.pass(1);
  await closing;
  assert.deepEqual(heard, [['x', 0, 'dropped', 'stopped'], ['x', 1, 'dropped', 'stopped']]);
  assert.deepEqual([signals[0].aborted, time.waits(), world.joined], [true, [], false]);
});

test('close() does not wait for a pause that would end after its deadline', async (t) => {
  const { time, heard, world, queue } = setup(t);
  world.answer = () => down({ retryAfterMs: 60_000 });
  const closing = (queue.push(report(0)), queue.close(5_000));
  await time.pass(0);
  await closing;
  assert.deepEqual(heard, [['x', 0, 'dropped', 'stopped']]);
});

test('closeSync() gives up what is left and says what it was', async (t) => {
  const { time, heard, signals, world, queue } = setup(t);
  world.answer = () => undefined;
  queue.push(report(0));
  queue.push(report(1));
  await settle();
  assert.deepEqual(queue.closeSync().map(({ profile }) => profile.sequence), [0, 1]);
  assert.deepEqual(heard, [['x', 0, 'dropped', 'stopped'], ['x', 1, 'dropped', 'stopped']]);
  assert.deepEqual([signals[0].aborted, time.waits()], [true, []]);
});

test('sendNow() sends all that waits on this thread, the one under way too; what fails goes on waiting', async (t) => {
  const fails = new Set();
  const written = [];
  const sendSync = ({ profile: { sequence } }) => {
    if (fails.has(sequence)) throw down();
    written.push(sequence);
    return { bytes: 1 };
  };
  const { heard, signals, world, queue } = setup(t, { sendSync });
  world.answer = () => undefined;
  for (const sequence of [0, 1, 2]) queue.push(report(sequence));
  await settle();
  fails.add(1);
  queue.sendNow();
  assert.deepEqual([written, signals[0].aborted], [[0], true]);
  assert.deepEqual(heard, [['x', 0, 'exported', 1], ['x', 1, 'failed', 1]]);
  assert.equal(queue.stats().waiting, 2);
  fails.clear();
  queue.sendNow();
  assert.deepEqual(written, [0, 1, 2]);
});

test('what close() gave up is told by closeSync() only if it was to be kept, and then once', async (t) => {
  for (const keepsLeft of [true, false]) {
    const { time, world, queue } = setup(t, { keepsLeft });
    world.answer = () => undefined;
    queue.push(report(0));
    queue.push(report(1));
    const closing = queue.close(5_000);
    await time.pass(5_000);
    await closing;
    assert.deepEqual(queue.closeSync().map(({ profile }) => profile.sequence), keepsLeft ? [0, 1] : []);
    assert.deepEqual(queue.closeSync(), []);
  }
});

test('a place that counts the age from the start of a profile: its own length is a part of it', async (t) => {
  const { time, sent, heard, world, queue } = setup(t, { longestAgeMs: 3_600_000 });
  world.answer = () => down({ retryAfterMs: 1_200_000 });
  const long = report(0);
  Object.assign(long.profile, { startTimeNanos: 0n, endTimeNanos: 3_000_000_000_000n });
  queue.push(long);
  await time.pass(3_600_000);
  assert.deepEqual([sent, heard.at(-1)], [[[0, 0], [600_000, 0]], ['x', 0, 'dropped', 'too old']]);
});

test('a profile of a collector that has failed is counted and announced', (t) => {
  const { heard, sent, queue } = setup(t);
  queue.refuse(report(4));
  assert.deepEqual([heard, sent, queue.stats().dropped], [[['x', 4, 'dropped', 'collector failed']], [], 1]);
});

for (const moment of ['a pause', 'an attempt', 'a close']) {
  test(`a fork during ${moment}: nothing of the parent’s is sent, told or counted in the child, which sends its own`, async (t) => {
    const { time, sent, heard, signals, world, queue } = setup(t);
    const open = [];
    world.answer = () => (moment === 'a pause' ? down() : new Promise((resolve) => open.push(resolve)));
    queue.push(report(0));
    queue.push(report(1));
    await settle();
    if (moment === 'a close') void queue.close(5_000);
    heard.length = sent.length = 0;
    // The child, before its reset: what the parent waits for comes.
    time.own = false;
    open.shift()?.({ bytes: 1 });
    await settle();
    assert.deepEqual([heard, sent], [[], []]);
    queue.hooksOff();
    queue.hooksOff();
    queue.resetAfterFork({ verdict: { restart: true } });
    time.own = true;
    assert.equal(signals[0].aborted, moment !== 'a pause');
    assert.deepEqual(time.waits(), []);
    assert.deepEqual([queue.stats().waiting, queue.stats().failures], [0, 0]);
    await time.pass(7_200_000);
    assert.deepEqual([heard, sent], [[], []]);
    assert.equal(world.joined, moment !== 'a close');
    world.answer = () => ({ bytes: 3 });
    queue.push(report(0));
    await settle();
    assert.deepEqual(heard, [['x', 0, 'exported', 1]]);
  });
}

test('Retry-After: seconds, dates, and everything else', () => {
  const now = Date.parse('2026-11-26T10:00:00Z');
  const cases = [
    ['120', 120_000],
    [' 0 ', 0],
    ['Thu, 26 Nov 2026 10:00:30 GMT', 30_000],
    ['Thursday, 26-Nov-26 10:00:30 GMT', 30_000],
    ['Thu, 26 Nov 2026 09:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['', undefined],
    [undefined, undefined],
    ['9999999999', 31_536_000_000],
    ['99999999999999999999', 31_536_000_000],
    ['Thu Nov 26 10:00:30 2026', 30_000],
    ['Sun Dec  6 10:00:00 2026', 864_000_000],
    ['Sun Nov  6 08:49:37 1994', 0],
    ['Thu, 26 Nov 2999 10:00:30 GMT', 31_536_000_000],
    ['Sun Nov', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(retryAfterMs(text, now), expected, String(text));
});

test('which answers are worth another attempt', () => {
  assert.deepEqual([429, 500, 502, 503, 504, 599].filter((status) => !mayRetry(status)), []);
  assert.deepEqual([301, 400, 401, 403, 404, 408, 413, 422].filter(mayRetry), []);
});
