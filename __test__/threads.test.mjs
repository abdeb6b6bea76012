// Two JavaScript threads: no thread's frames on the other, labels that tell them apart, and an orderly end of the worker.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { majors } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

for (const major of majors) {
  describe(`threads on Node ${major}`, () => {
    it(`a worker beside the main thread (Node ${major})`, async () => {
      const run = await runScenario('threads', major, { ms: 700, options: { intervalMicros: 1000 } });
      const [{ threadId: workerThread, error }] = run.answers;
      assert.notEqual(workerThread, run.mainThread);
      const samples = [...readProfile(run.profile.file).samples];
      if (existsSync(join(run.out, 'worker.pb.gz'))) samples.push(...readProfile(join(run.out, 'worker.pb.gz')).samples);
      const of = (id) => samples.filter((sample) => sample.threadId === id);
      assert.ok(samples.every((sample) => sample.threadId === run.mainThread || sample.threadId === workerThread));
      assert.ok(share(of(run.mainThread), 'cpu', has('onMain')) > 0.5, describeStacks(of(run.mainThread)));
      assert.ok(!of(run.mainThread).some(has('onWorker')), "the worker's frames on the main thread");
      assert.ok(!of(workerThread).some(has('onMain')), "the main thread's frames on the worker");
      assert.ok(of(run.mainThread).every((sample) => sample.threadName === 'main'));
      assert.ok(share(of(workerThread), 'cpu', has('onWorker')) > 0.9, describeStacks(of(workerThread)));
      assert.ok(of(workerThread).every((sample) => sample.threadName && sample.threadName !== 'main'));
      // A worker is profiled by the main thread's profiler.
      assert.match(error.code, /^ERR_PRONGHORN_/);
    });

    it(`a worker through rotations, a stop and another session (Node ${major})`, async () => {
      const run = await runScenario('sessions', major, { ms: 700, options: { intervalMicros: 1000 } });
      const of = ({ file }) => readProfile(file).samples.filter((sample) => sample.threadId === run.thread);
      const wall = (samples) => total(samples, 'wall') / 1e6;
      const blocking = has('blocksInNative');

      assert.ok(run.rotatedWhileBlocked, 'rotate() waits for a thread that is blocked in native code');
      assert.ok(of(run.during).some(has('crunch')), describeStacks(of(run.during)));
      const blocked = [...of(run.during), ...of(run.after)].filter(blocking);
      assert.ok(wall(blocked) > 0.9 * 1200 && wall(blocked) < 1.2 * 1200, `${wall(blocked)} ms of 1200 blocked in native code`);

      assert.deepEqual(run.last.stats.leftBehind.map((left) => [left.threadId, left.samples > 0]), [[run.thread, true]]);
      assert.notEqual(run.last.stats.leftBehind[0].threadName, 'main');

      // Nothing of the first session, and nothing of the time between the two.
      const fresh = of(run.fresh);
      const length = Number(BigInt(run.fresh.endTimeNanos) - BigInt(run.fresh.startTimeNanos)) / 1e6;
      assert.ok(fresh.some(has('crunch')), describeStacks(fresh));
      assert.ok(!fresh.some(blocking), describeStacks(fresh));
      assert.ok(wall(fresh) <= 1.02 * length + 5, `${wall(fresh)} ms on the worker in a session of ${length} ms after a gap of ${run.gap} ms`);
    });
  });
}
