// What the thread that makes workers remembers of them: name and kernel id, told to the native half.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { nameOf, Workers } from '../../build/lib/threads.js';

/** Workers that note what they are told, over a list of threads that grows by one with each Worker. */
function watched() {
  const told = [];
  const ids = [100, 101];
  const workers = new Workers(() => [...ids, ids.push(ids.at(-1) + 1) + 99]);
  return { workers, told, ids, native: { nameThread: (tid, name) => told.push([tid, name]), workerName: () => null } };
}

const waiting = (name) => new Worker('require("node:worker_threads").parentPort.once("message", () => {})', { eval: true, name });

async function end(worker) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
  worker.postMessage('end');
  await once(worker, 'exit');
}

test('workers made before and after the start are told once each, and those that have ended are forgotten', async (t) => {
  const { workers, told, native } = watched();
  t.after(() => workers.hooksOff());
  workers.watch();
  workers.watch();
  const [ended, early] = [waiting('ended'), waiting('early')];
  assert.equal(workers.size, 2);
  await end(ended);
  assert.equal(workers.size, 1);
  workers.tell(native);
  const late = waiting('late');
  const names = 'threadName' in early ? ['early', 'late'] : [`worker ${early.threadId}`, `worker ${late.threadId}`];
  assert.deepEqual(told.map(([, name]) => name), names);
  assert.equal(new Set(told.map(([tid]) => tid)).size, 2);
  workers.silence();
  const unheard = waiting('unheard');
  assert.equal(told.length, 2);
  await Promise.all([end(early), end(late), end(unheard)]);
  assert.equal(workers.size, 0);
});

test('in a child of fork(2) the workers of the parent are forgotten, and new ones are remembered once it is started', async (t) => {
  const { workers, told, native } = watched();
  t.after(() => workers.hooksOff());
  workers.tell(native);
  const parents = waiting('parents');
  workers.hooksOff();
  workers.hooksOff();
  workers.resetAfterFork();
  const unheard = waiting('unheard');
  assert.equal(workers.size, 0);
  workers.tell(native);
  const childs = waiting('childs');
  assert.equal(workers.size, 1);
  assert.equal(told.length, 2);
  await Promise.all([end(parents), end(unheard), end(childs)]);
});

test('whoever makes a Worker notices nothing, whatever fails here', async (t) => {
  const listing = new Workers(() => {
    throw new Error('no /proc');
  });
  const { workers: telling } = watched();
  const nobody = new Workers(() => []);
  const main = new Workers(() => [process.pid]);
  const all = [listing, telling, nobody, main];
  t.after(() => all.forEach((workers) => workers.hooksOff()));
  for (const workers of all) {
    workers.tell({
      nameThread() {
        throw new Error('forked');
      },
    });
  }
  const worker = waiting('unlucky');
  assert.deepEqual([listing.size, nobody.size, main.size], [0, 0, 0]);
  await end(worker);
});

test('the newest thread is taken for one worker only', async (t) => {
  const workers = new Workers(() => [100, 101]);
  t.after(() => workers.hooksOff());
  workers.watch();
  const both = [waiting('made'), waiting('could not be made')];
  assert.equal(workers.size, 1);
  await Promise.all(both.map(end));
});

test('a worker without a name is called by its number', () => {
  const native = { workerName: () => assert.fail('asked') };
  assert.equal(nameOf({ threadId: 7, threadName: '' }, native), 'worker 7');
  assert.equal(nameOf({ threadId: 7, threadName: null }, native), 'worker 7');
  assert.equal(nameOf({ threadId: 7, threadName: 'WorkerThread' }, native), 'worker 7');
  assert.equal(nameOf({ threadId: 7, threadName: 'pool-1' }, native), 'pool-1');
});

test('where Node tells no name, nothing is read that is not what Node keeps a Worker in', () => {
  const native = { workerName: () => assert.fail('asked') };
  assert.equal(nameOf({ threadId: 7 }, native), 'worker 7');
  for (const handle of [null, 7, new Map()]) assert.equal(nameOf({ threadId: 7, [Symbol('kHandle')]: handle }, native), 'worker 7');
});
