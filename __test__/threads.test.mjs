// Two JavaScript threads: no thread's frames on the other, labels that tell them apart, and an orderly end of the worker.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { majors } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share } from './helpers/pprof.mjs';
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
      if (error === undefined) {
        assert.ok(share(of(workerThread), 'cpu', has('onWorker')) > 0.9, describeStacks(of(workerThread)));
        assert.ok(of(workerThread).every((sample) => sample.threadName && sample.threadName !== 'main'));
      } else {
        assert.match(error.code, /^ERR_PRONGHORN_/);
      }
    });
  });
}
