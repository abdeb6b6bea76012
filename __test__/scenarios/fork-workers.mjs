// Forks and worker threads: threads that fork, with and without the package, and a thread of a child that was not reset.
import { existsSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { asChild, digest, forkNow, native, never, outcome, parentOnly, pronghorn, scenarios, settings, untilSampled } from '../helpers/forking.mjs';
import { nap } from '../helpers/held.mjs';

const { start, stop, resetAfterFork } = pronghorn;
const { kind } = settings;
const index = `${settings.package}/dist/index.js`;
const answer = `${settings.out}/answer`;

/** What every worker here has. */
const PRELUDE = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { renameSync, writeFileSync } = require('node:fs');
  const tell = (value) => {
    writeFileSync(workerData.answer + '.new', JSON.stringify(value));
    renameSync(workerData.answer + '.new', workerData.answer);
  };
  /** What each function of the package says. */
  const codes = async () => {
    const { start, stop, resetAfterFork, profile } = require(workerData.index);
    const all = {};
    for (const [name, use] of Object.entries({ start, stop, resetAfterFork, profile: () => profile({ durationMs: 1 }) })) {
      try { await use(); all[name] = 'none'; } catch (error) { all[name] = error.code ?? String(error); }
    }
    return all;
  };`;

/** Computes until the test has had enough, then forks. Its child collects garbage, gets our signal, turns its loop, and only then asks the package. */
const FORKING = `${PRELUDE}
  const forker = require(workerData.forkFixture);
  require('node:v8').setFlagsFromString('--expose-gc');
  const collect = require('node:vm').runInNewContext('gc');
  const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  function inWorker(ms) {
    const end = forker.threadCpuNanos(0) + ms * 1e6;
    let sink = 1;
    while (forker.threadCpuNanos(0) < end) for (let index = 0; index < 20000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
    return sink;
  }
  async function child() {
    for (let round = 0; round < 5; round++) {
      inWorker(5);
      collect();
      collect({ type: 'minor' });
      for (let times = 0; times < 3; times++) forker.sendSignal(forker.gettid(), workerData.signal);
      await rest(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    tell(await codes());
    // And once more with the package loaded.
    collect();
    forker.sendSignal(forker.gettid(), workerData.signal);
    await rest(5);
    forker.exitNow(0);
  }
  if (workerData.loads) require(workerData.index);
  parentPort.once('message', async () => {
    inWorker(60);
    const pid = forker.fork(workerData.kind, 7);
    if (pid === 0) return child().catch((error) => { tell(String(error.stack)); forker.exitNow(70); });
    const end = performance.now() + 8000;
    let status;
    while ((status = forker.waitpid(pid, 1)) === -1 && performance.now() < end) { inWorker(2); await rest(1); }
    if (status === -1) { forker.kill(pid, 9); forker.waitpid(pid, 0); }
    parentPort.postMessage(status);
    parentPort.close();
  });`;

function workerOf(source, data) {
  return new Worker(source, { eval: true, name: 'forking', workerData: { forkFixture: settings.forkFixture, index, answer, kind, ...data } });
}

/** A worker that forks; resolves with how its child ended. */
async function forkedByWorker(data) {
  const worker = workerOf(FORKING, data);
  const status = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
  worker.postMessage('fork');
  return { status: await status, codes: existsSync(answer) ? JSON.parse(readFileSync(answer, 'utf8')) : undefined };
}

await scenarios({
  // While the profiler runs. The parent goes on, with that thread in its profile.
  async running() {
    const profiler = start({ intervalMicros: 1_000 });
    const forked = await forkedByWorker({ signal: profiler.capabilities.signal, loads: settings.loads });
    untilSampled(() => profiler.stats().samples, parentOnly);
    const profile = await stop();
    const { parent, threads } = digest(profile);
    return { ...forked, parent, threads: threads.length };
  },

  // The native half is loaded in the main thread, and nothing was ever started.
  async neverStarted() {
    resetAfterFork();
    const forked = await forkedByWorker({ signal: 0, loads: settings.loads });
    const profiler = start({ intervalMicros: 1_000 });
    untilSampled(() => profiler.stats().samples, parentOnly);
    return { ...forked, parent: digest(await stop()).parent };
  },

  // The main thread forks, and before it is reset its child makes a worker, which asks first.
  async inLimbo() {
    const profiler = start({ intervalMicros: 1_000 });
    parentOnly(10);
    const pid = forkNow({ kind });
    if (pid === 0) {
      await never(
        asChild(async () => {
          workerOf(`${PRELUDE} codes().then(tell)`, {});
          for (const end = performance.now() + 6_000; !existsSync(answer) && performance.now() < end; ) nap(2);
          const { forked } = native().forkState();
          const reset = resetAfterFork();
          return { forked, reset, codes: existsSync(answer) && JSON.parse(readFileSync(answer, 'utf8')), running: start({ intervalMicros: 1_000 }) === profiler };
        }),
      );
    }
    const child = await outcome(pid);
    await stop();
    return child.value;
  },
});
