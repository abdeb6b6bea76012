// One start() on the main thread profiles every worker thread: those that are there, those that come, those of workers, and those that never
// load the package; each under its own name and id, with its own functions.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const WORKERS = ['early', 'sleeper', 'late', 'unnamed', 'parent', 'loader', 'nested'];
const functionOf = (worker) => `does${worker[0].toUpperCase()}${worker.slice(1)}`;

/** What a worker's samples have to be called. Before 24 nobody outside a worker that makes one learns what that is called. */
function nameOf(worker, major, { threadId }) {
  if (worker === 'nested') return major < 24 ? 'worker' : 'nested';
  if (worker === 'unnamed') return `worker ${threadId}`;
  return worker === 'sleeper' ? 'a sleeper with a long name' : worker;
}

/** Everything that a profile about all threads has to show. `cpu`: what each thread's own clock says of the work it was given. */
function checkAll(run, { file }, cpu, major) {
  const { samples } = readProfile(file);
  const ids = new Set([run.mainThread, ...Object.values(run.threads).map(({ tid }) => tid)]);
  for (const sample of samples) assert.ok(ids.has(sample.threadId), `a thread that is no JavaScript thread: ${sample.threadName}`);
  for (const worker of WORKERS) {
    const { tid } = run.threads[worker];
    const of = samples.filter((sample) => sample.threadId === tid);
    const name = nameOf(worker, major, run.threads[worker]);
    assert.deepEqual([...new Set(of.map((sample) => sample.threadName))], [name]);
    const own = total(of.filter(has(functionOf(worker))), 'cpu');
    // What it computed before it was found is missing, a few milliseconds of its running time.
    const least = 0.85 * cpu[worker] - 30e6;
    assert.ok(own >= least && own <= 1.02 * cpu[worker] + 5e6, `${worker}: ${own / 1e6} of ${cpu[worker] / 1e6} ms\n${describeStacks(of)}`);
    for (const other of WORKERS) {
      if (other !== worker) assert.ok(!of.some(has(functionOf(other))), `a frame of ${other} on ${worker}`);
    }
  }
  const main = samples.filter((sample) => sample.threadId === run.mainThread);
  assert.deepEqual([...new Set(main.map((sample) => sample.threadName))], ['main']);
  assert.equal(share(main, 'cpu', (sample) => WORKERS.some((worker) => has(functionOf(worker))(sample))), 0);
}

for (const major of majors) {
  describe(`worker threads on Node ${major}`, () => {
    it(`each is found, under its own name, with its own functions (Node ${major})`, async () => {
      const run = await runScenario('workers', major, { ms: long ? 1_000 : 250, options: { intervalMicros: 2_000 } }, { deadlineMs: 60_000 });
      checkAll(run, run.first, run.cpu, major);
      assert.deepEqual(run.reasons, []);

      const { samples: ofMain } = readProfile(run.second.file);
      assert.deepEqual([...new Set(ofMain.map((sample) => sample.threadId))], [run.mainThread], "threads: 'main' is about the main thread");
      assert.equal(run.second.stats.droppedSamples, 0);

      // All of them were registered in the first session, and come back without being asked for their environments again.
      checkAll(run, run.third, run.cpuAgain, major);
    });

    it(`a worker beyond those that can be profiled is counted, and takes the next place that is free (Node ${major})`, async () => {
      const run = await runScenario('worker-slots', major, { options: { intervalMicros: 2_000 }, hook: { maxThreads: 3 } });
      const seenIn = ({ file }) => run.threads.filter((tid) => readProfile(file).samples.some((sample) => sample.threadId === tid));
      assert.equal(seenIn(run.full).length, 2, 'the main thread and two workers');
      assert.deepEqual(run.reasons, ['threads that found no place, or only later: 1 (3 can be profiled at a time)']);
      assert.deepEqual(seenIn(run.later).filter((tid) => tid !== run.ended), run.threads.filter((tid) => tid !== run.ended));
    });
  });
}
