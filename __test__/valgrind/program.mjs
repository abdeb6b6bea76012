// What valgrind runs: a start, work, rotations, labels, a worker, a second session, a fork whose child is sampled, rotates and stops, and the end: every part of
// the addon that a simple program reaches. It computes until it has been sampled, however slow it is made.
import { Worker } from 'node:worker_threads';
import { childOnly, digest, inChild, parentOnly, pronghorn, scenarios, settings, turn, untilSampled } from '../helpers/forking.mjs';

const { start, withLabels } = pronghorn;
const OPTIONS = { intervalMicros: 5_000, stallThresholdMs: 500, stallOutput: '/dev/null' };
/** Of CPU time, in which a sample has to come. */
const PATIENCE = { atLeast: 2, ms: 60_000 };
/** valgrind takes a hundred times as long, and others use the machine too. */
const CHILD = { deadlineMs: 20 * 60_000, pollMs: 50 };

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { threadCpuNanos } = require(workerData);
  let sink = 1;
  function inWorker() { for (let index = 0; index < 20000; index++) sink = (Math.imul(sink, 69069) + index) | 0; }
  const end = threadCpuNanos(0) + 300e6;
  while (threadCpuNanos(0) < end) inWorker();
  parentPort.close();`;

/** A worker that computes, and ends. */
const worker = () => new Promise((resolve, reject) => new Worker(WORKER, { eval: true, workerData: settings.forkFixture }).on('error', reject).on('exit', resolve));

await scenarios({
  async all() {
    const seen = { sessions: 0, rotations: 0, threads: 0, samples: 0, child: undefined };
    const count = (profile) => {
      seen.threads = Math.max(seen.threads, digest(profile).threads.length);
      return profile;
    };
    for (let session = 0; session < 2; session++) {
      const profiler = start(OPTIONS);
      const samples = () => profiler.stats().samples;
      for (let round = 0; round < 2; round++) {
        withLabels({ round: `${round}` }, () => untilSampled(samples, parentOnly, PATIENCE));
        if (round === 0 && session === 0) await worker();
        count(await profiler.rotate());
        seen.rotations++;
      }
      if (session === 1) {
        const child = async () => {
          await turn();
          untilSampled(samples, childOnly, PATIENCE);
          const rotated = digest(await profiler.rotate());
          untilSampled(samples, childOnly, PATIENCE);
          return { rotated: rotated.child, stopped: digest(await profiler.stop()).child };
        };
        seen.child = (await inChild(child, CHILD)).value;
        untilSampled(samples, parentOnly, PATIENCE);
      }
      seen.samples += samples();
      const { data } = await profiler.stop();
      if (data.length === 0) throw new Error('an empty profile');
      seen.sessions++;
    }
    return seen;
  },
});
