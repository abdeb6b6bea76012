// What the primary makes of what it hears of one worker, and of what it does not hear.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ClusterMember } from '../../build/lib/cluster/member.js';
import { encodeFrame, FrameReader } from '../../build/lib/cluster/wire.js';
import { LastWill } from '../../build/lib/cluster/last-will.js';
import { sleep } from '../helpers/child.mjs';
import { buildProfile } from './build-profile.mjs';

const order = { session: 's', options: {}, test: {}, lastWill: undefined };
const begun = 1_700_000_000_000_000_000n;
const second = 1_000_000_000n;

/** A member, and the worker's end of everything. */
function member({ withWill = false, forkedWith = order } = {}) {
  const socket = Object.assign(new EventEmitter(), {
    destroyed: false,
    closed: false,
    written: [],
    write: (bytes) => socket.written.push(bytes),
    destroy() {
      if (socket.destroyed) return;
      socket.destroyed = true;
      setImmediate(() => socket.close());
    },
    close() {
      socket.destroyed = socket.closed = true;
      socket.emit('close');
    },
  });
  const process = Object.assign(new EventEmitter(), { pid: 4711 });
  const link = { worker: { id: 3, process }, socket, onData: undefined, order: forkedWith };
  const will = withWill ? new LastWill() : undefined;
  const it = new ClusterMember(link, order, will);
  return {
    it,
    socket,
    process,
    hears: (answer, payload) => link.onData(encodeFrame({ session: 's', ...answer }, payload)),
    hearsBytes: (bytes) => link.onData(bytes),
    started: () => link.onData(encodeFrame({ session: 's', is: 'started', begunByNanos: String(begun) })),
    part: (from, to, more = {}) => link.onData(encodeFrame({ session: 's', is: 'part', period: { startTimeNanos: String(from), endTimeNanos: String(to), stats: { samples: 1 } }, ...more }, Buffer.from('data'))),
    /** What the native half writes if a signal ends the process. */
    writesWill(from) {
      const fd = openSync(will.address.path, 'r+');
      writeFileSync(fd, buildProfile({ stacks: [], timeNanos: from, durationNanos: 1_000 }));
      closeSync(fd);
    },
    /** As a process ends: its pipe closes, then its parent is told. */
    ends(code, signal) {
      socket.close();
      process.emit('exit', code, signal);
    },
    commands: () => new FrameReader().push(Buffer.concat(socket.written)).map(({ header }) => header),
  };
}

const settled = (promise) => Promise.race([promise.then(() => true), sleep(20).then(() => false)]);
const codes = ({ errors }) => errors.map((error) => error.code);

test('a request is answered by its own answer, and by no other', async () => {
  const { it, part, started, hears, commands } = member({ forkedWith: null });
  started();
  const answer = it.ask('rotate', 7);
  assert.deepEqual(commands(), [{ do: 'start', ...JSON.parse(JSON.stringify(order)) }, { do: 'rotate', session: 's', request: 7 }]);
  part(begun, begun + second, { request: 6 });
  hears({ is: 'part', session: 'of another session', request: 7, error: { code: 'ERR_PRONGHORN_INTERNAL', message: 'not for us' } });
  assert.equal(await settled(answer), false);
  part(begun + second, begun + 2n * second, { request: 7 });
  assert.equal(await settled(answer), true);
  const { deliveries, errors } = it.take(7, 100);
  assert.deepEqual(deliveries.map((each) => each.endTimeNanos), [begun + second, begun + 2n * second]);
  assert.deepEqual(errors, []);
  it.dispose();
});

test('a late answer is named once, and belongs to the next result', async () => {
  const { it, part, started } = member();
  started();
  void it.ask('rotate', 1);
  const first = it.take(1, 400);
  assert.deepEqual(codes(first), ['ERR_PRONGHORN_WORKER_TIMEOUT']);
  assert.match(first.errors[0].message, /worker 3 \(process 4711\) did not answer within 400 ms/);
  assert.deepEqual(first.deliveries, []);
  const next = it.ask('rotate', 2);
  part(begun, begun + second, { request: 1 });
  assert.equal(await settled(next), false);
  part(begun + second, begun + 2n * second, { request: 2 });
  assert.equal(await settled(next), true);
  const result = it.take(2, 400);
  assert.deepEqual([result.deliveries.length, codes(result)], [2, []]);
  it.dispose();
});

test('a worker that ends settles what is pending, at once, and says how it ended', async () => {
  const { it, started, ends } = member();
  started();
  const answers = Promise.all([it.ask('rotate', 1), it.ask('rotate', 2)]);
  ends(null, 'SIGKILL');
  assert.equal(await settled(answers), true);
  const result = it.take(2, 5_000);
  assert.deepEqual(codes(result), ['ERR_PRONGHORN_WORKER_LOST']);
  assert.match(result.errors[0].message, /ended \(SIGKILL\) before it delivered its last profile/);
  assert.equal(it.over, true);
  assert.equal(await settled(it.ask('rotate', 3)), true, 'and nothing is asked of it any more');
});

test('the news of the end may come before the last words', async () => {
  const { it, started, part, process, socket } = member();
  started();
  process.emit('exit', 0, null);
  assert.equal(it.over, false);
  part(begun, begun + second);
  socket.close();
  assert.equal(it.over, true);
  const result = it.take(1, 100);
  assert.deepEqual([result.deliveries.length, codes(result)], [1, []]);
});

test('what is left of a message when the worker ends is no message', () => {
  const { it, started, hearsBytes, ends } = member();
  started();
  const whole = encodeFrame({ session: 's', is: 'part', period: { startTimeNanos: '1', endTimeNanos: '2', stats: {} } }, Buffer.alloc(100));
  hearsBytes(whole.subarray(0, whole.length - 1));
  ends(null, 'SIGKILL');
  const result = it.take(1, 100);
  assert.deepEqual([result.deliveries.length, codes(result)], [0, ['ERR_PRONGHORN_WORKER_LOST']]);
});

test('a pipe that closes while the worker lives settles what is pending, once, and names the reason', async () => {
  for (const how of ['closed', 'no message of ours']) {
    const { it, started, socket, hearsBytes } = member();
    started();
    const answer = it.ask('rotate', 1);
    if (how === 'closed') socket.close();
    else hearsBytes(Buffer.alloc(16, 0xff));
    assert.equal(await Promise.race([answer.then(() => true), sleep(4_000).then(() => false)]), true, how);
    const result = it.take(1, 5_000);
    assert.deepEqual(codes(result), ['ERR_PRONGHORN_WORKER_LOST'], how);
    assert.match(result.errors[0].message, /lives, but has closed its pipe/);
    assert.equal(it.over, true);
    assert.deepEqual(it.take(2, 5_000), { deliveries: [], errors: [] });
    it.dispose();
  }
});

test('a part before execve() is the last one if the process becomes another program, and not if it does not', async () => {
  const becomes = member();
  becomes.started();
  becomes.part(begun, begun + second, { exec: true });
  const answer = becomes.it.ask('rotate', 1);
  becomes.socket.close();
  await answer;
  const result = becomes.it.take(1, 5_000);
  assert.deepEqual([result.deliveries.length, codes(result)], [1, []]);
  becomes.it.dispose();

  const doesNot = member();
  doesNot.started();
  doesNot.part(begun, begun + second, { exec: true });
  doesNot.hears({ is: 'goesOn' });
  doesNot.ends(null, 'SIGKILL');
  const lost = doesNot.it.take(1, 5_000);
  assert.deepEqual([lost.deliveries.length, codes(lost)], [1, ['ERR_PRONGHORN_WORKER_LOST']]);
});

test('a period that a signal has cut off before it was handed over is named, the first one too', () => {
  const first = member({ withWill: true });
  first.started();
  void first.it.ask('rotate', 1);
  first.writesWill(begun + second);
  first.ends(null, 'SIGTERM');
  const lost = first.it.take(1, 100);
  assert.deepEqual([lost.deliveries.length, codes(lost)], [1, ['ERR_PRONGHORN_WORKER_LOST']]);
  assert.match(lost.errors[0].message, /ended \(SIGTERM\) before it delivered its profile of the time from 2023-11-14T22:13:20\.000Z to 2023-11-14T22:13:21\.000Z/);

  const later = member({ withWill: true });
  later.started();
  later.part(begun - 5n, begun + second, { request: 1 });
  later.writesWill(begun + 3n * second);
  later.ends(null, 'SIGTERM');
  const alsoLost = later.it.take(1, 100);
  assert.deepEqual([alsoLost.deliveries.length, codes(alsoLost)], [2, ['ERR_PRONGHORN_WORKER_LOST']]);
  assert.match(alsoLost.errors[0].message, /from 2023-11-14T22:13:21\.000Z to 2023-11-14T22:13:23\.000Z/);
});

test('a last profile that follows the one before it is all there was', () => {
  for (const rotated of [false, true]) {
    const { it, started, part, writesWill, ends } = member({ withWill: true });
    started();
    if (rotated) part(begun - 5n, begun + second, { request: 1 });
    writesWill(rotated ? begun + second : begun - 5n);
    ends(null, 'SIGTERM');
    const result = it.take(1, 100);
    assert.deepEqual([result.deliveries.length, codes(result)], [rotated ? 2 : 1, []]);
    assert.equal(result.deliveries.at(-1).stats, undefined);
  }
});

test('a profiler that has switched itself off says why, besides what it delivers', () => {
  const { it, started, part } = member();
  started();
  part(begun, begun + second, { request: 1, failure: { code: 'ERR_PRONGHORN_INTERNAL', message: 'the ticker failed' } });
  const result = it.take(1, 100);
  assert.deepEqual([result.deliveries.length, result.errors.map(({ code, message }) => [code, message])], [1, [['ERR_PRONGHORN_INTERNAL', 'the ticker failed']]]);
  it.dispose();
});
