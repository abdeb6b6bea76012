// Two sessions with a worker that lives through both, and a rotation and a stop while the worker is blocked in native code.
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { start } from 'pronghorn';
import { fixture, keep, monotonic, report, startOptions } from '../helpers/scenario.mjs';

let sink = 1;

function crunch(ms) {
  const end = monotonic() + ms * 1e6;
  while (monotonic() < end) for (let index = 0; index < 10_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

function blocksInNative(ms) {
  return fixture.blockingNanosleep(ms);
}

/** Runs one of the worker's jobs and resolves with its answer. */
function ask(worker, job) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
    worker.postMessage(job);
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

if (isMainThread) {
  const first = await start(startOptions());
  const worker = new Worker(new URL(import.meta.url), { argv: [process.argv[2]], name: 'steady' });
  const thread = await ask(worker, { threadId: true });
  await ask(worker, { crunch: 200 });

  // Blocked over a rotation: the rotation does not wait for it, and its time stays for the next profile.
  const blocked = ask(worker, { crunch: 60, block: 1200 });
  let woke = false;
  blocked.then(() => (woke = true));
  await pause(400);
  const during = await first.rotate();
  const rotatedWhileBlocked = !woke;
  await blocked;
  await ask(worker, { crunch: 60 });
  const after = await first.rotate();

  // Blocked over a stop: what it has not handed over is named.
  const again = ask(worker, { crunch: 60, block: 1200 });
  await pause(400);
  const last = await first.stop();
  await again;

  const gapFrom = monotonic();
  await pause(800);
  const gap = (monotonic() - gapFrom) / 1e6;
  const second = await start(startOptions());
  await ask(worker, { crunch: 100 });
  await pause(300);
  await ask(worker, { crunch: 100 });
  const fresh = await second.stop();
  await worker.terminate();
  report({
    thread,
    gap,
    rotatedWhileBlocked,
    during: keep(during, 'during'),
    after: keep(after, 'after'),
    last: keep(last, 'last'),
    fresh: keep(fresh, 'fresh'),
  });
} else {
  parentPort.on('message', (job) => {
    if (job.crunch) crunch(job.crunch);
    if (job.block) blocksInNative(job.block);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort of Node's, not a window
    parentPort.postMessage(fixture.threadId());
  });
}
