// A worker's end of the pipe, on a real socket whose other end reads or does not.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { AnswerPipe } from '../../build/lib/cluster/pipe.js';
import { FrameReader } from '../../build/lib/cluster/wire.js';
import { sleep } from '../helpers/child.mjs';
import { scratch } from '../helpers/scratch.mjs';

const deadline = { timeout: 20_000 };

/** Two ends of a socket: what the pipe writes to, and what the primary would read. */
async function ends(t) {
  const server = createServer({ pauseOnConnect: true }).listen(join(scratch(), 'socket'));
  await once(server, 'listening');
  const worker = connect(server.address());
  const [primary] = await once(server, 'connection');
  await once(worker, 'connect');
  primary.on('error', () => undefined);
  worker.on('error', () => undefined);
  t.after(() => {
    worker.destroy();
    primary.destroy();
    server.close();
  });
  return { worker, primary, pipe: new AnswerPipe(worker, worker['_handle'].fd) };
}

/** Reads so many messages. */
async function read(primary, count) {
  const reader = new FrameReader();
  const frames = [];
  primary.resume();
  for await (const chunk of primary) {
    frames.push(...reader.push(chunk));
    if (frames.length >= count) break;
  }
  return frames;
}

const answer = (session) => ({ session, is: 'goesOn' });
/** More than a socket holds. */
const large = (value) => Buffer.alloc(6 * 1024 * 1024, value);

test('a full pipe is tried again: everything arrives whole, in order, once the primary reads', deadline, async (t) => {
  const { primary, pipe } = await ends(t);
  pipe.send(answer('a'), large(1));
  pipe.send(answer('b'), large(2));
  pipe.send(answer('c'));
  // The timer of the retry keeps nothing alive, and finds the pipe full some times.
  await sleep(50);
  const frames = await read(primary, 3);
  assert.deepEqual(frames.map(({ header }) => header.session), ['a', 'b', 'c']);
  assert.ok(frames[0].payload.equals(large(1)) && frames[1].payload.equals(large(2)));
  assert.equal(frames[2].payload.length, 0);
});

test('at the end a primary that does not read is waited for, for a bounded time', deadline, async (t) => {
  const { worker, primary, pipe } = await ends(t);
  pipe.send(answer('a'), large(3));
  const before = performance.now();
  pipe.flushSync(120);
  assert.ok(performance.now() - before >= 119, 'it has waited');
  // What was not written is not lost: it goes on from exactly there.
  const reading = read(primary, 1);
  for (let tries = 0; tries < 1_000 && worker.readyState === 'open'; tries++) {
    pipe.flushSync(1);
    await sleep(1);
    if (await Promise.race([reading.then(() => true), sleep(0)])) break;
  }
  const [{ payload }] = await reading;
  assert.ok(payload.equals(large(3)));
});

test('a primary that has gone, and a socket that is closed, cost nothing', deadline, async (t) => {
  const { worker, primary, pipe } = await ends(t);
  primary.destroy();
  await once(worker, 'close');
  pipe.send(answer('a'), large(4));
  const before = performance.now();
  pipe.flushSync(10_000);
  assert.ok(performance.now() - before < 5_000, 'it gives up at once');
  // Nor does a descriptor whose socket is closed get anything.
  const file = join(scratch(), 'file');
  const fd = fs.openSync(file, 'w');
  const late = new AnswerPipe(worker, fd);
  late.send(answer('b'));
  late.flushSync(50);
  fs.closeSync(fd);
  assert.equal(fs.readFileSync(file, 'utf8'), '');
});

test('a file that the application has opened under the number of the closed pipe stays as it is', deadline, async (t) => {
  const { worker, pipe } = await ends(t);
  const { fd } = worker['_handle'];
  const file = join(scratch(), 'file');
  fs.writeFileSync(file, 'the application');
  // Opening gives the lowest number that is free.
  const holders = [];
  fs.closeSync(fd);
  while (holders.at(-1) !== fd) holders.push(fs.openSync(file, 'r+'));
  pipe.send(answer('a'), large(6));
  pipe.flushSync(50);
  assert.equal(fs.readFileSync(file, 'utf8'), 'the application');
  // The last one is closed with the socket.
  for (const holder of holders.slice(0, -1)) fs.closeSync(holder);
});

test('in another process than the one it was made in nothing is written', deadline, async (t) => {
  const { primary, pipe } = await ends(t);
  pipe.send(answer('mine'));
  // As in a child of fork(2), where /proc/self is another one's; tests that really fork are elsewhere.
  const { readlinkSync } = fs;
  fs.readlinkSync = () => '1';
  syncBuiltinESMExports();
  try {
    pipe.send(answer('the child says this'), large(5));
    pipe.flushSync(50);
  } finally {
    fs.readlinkSync = readlinkSync;
    syncBuiltinESMExports();
  }
  pipe.send(answer('mine again'));
  const frames = await read(primary, 2);
  assert.deepEqual(frames.map(({ header }) => header.session), ['mine', 'mine again']);
});
