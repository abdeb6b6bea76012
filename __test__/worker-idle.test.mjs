// What finding workers costs those that have nothing to do with it: an idle process, and threads that are none of Node's.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, total } from './helpers/pprof.mjs';
import { launchScenario, runScenario } from './helpers/scenarios.mjs';
import { assertAsleep, idleSwitches } from './helpers/switches.mjs';

/** Wake-ups of an idle process with four idle workers; then one more worker comes. */
async function idle(major, profile) {
  const child = await launchScenario('worker-idle', major, { profile, options: { intervalMicros: 1_000 } }, { deadlineMs: 120_000, stdin: 'pipe' });
  await child.waitFor('READY', 30_000);
  const seen = await idleSwitches(child.pid);
  child.stdin.end('go\n');
  return { seen, run: await child.report() };
}

for (const major of majors) {
  describe(`idle workers and foreign threads on Node ${major}`, { concurrency: 2 }, () => {
    it(`idle workers make no wake-ups, and a new one is found at once (Node ${major})`, async () => {
      const [without, withProfiler] = await Promise.all([idle(major, false), idle(major, true)]);
      assertAsleep(withProfiler.seen, without.seen);
      const { profile, tid, cpu } = withProfiler.run;
      const samples = readProfile(profile.file).samples.filter((sample) => sample.threadId === tid);
      const own = total(samples.filter(has('comesLast')), 'cpu');
      assert.ok(own > 0.7 * cpu, `${own / 1e6} of ${cpu / 1e6} ms\n${describeStacks(samples)}`);
      assert.deepEqual([...new Set(samples.map((sample) => sample.threadName))], ['last']);
    });

    it(`native threads are asked a few times and then left alone, and so is an isolate without an environment (Node ${major})`, async () => {
      const threads = 4;
      const run = await runScenario('foreign-threads', major, { threads, ms: long ? 10_000 : 1_500, options: { intervalMicros: 1_000 } });
      // Eight questions for each, and some samples of the main thread, which only waits. They ran for hundreds of kernel ticks.
      assert.ok(run.signals <= 8 * threads + 20, `${run.signals} signals while ${threads} native threads ran`);
      assert.ok(run.interrupted <= 8 * threads, `${run.interrupted} of their sleeps were cut short`);
      assert.equal(run.isolate, 1, 'the isolate runs to its end');
      assert.ok(run.signalsOfIsolate > 0 && run.signalsOfIsolate <= 64 + 40, `${run.signalsOfIsolate} signals while the isolate ran`);
      const { samples } = readProfile(run.profile.file);
      assert.deepEqual([...new Set(samples.map((sample) => sample.threadId))], [run.mainThread]);
      assert.ok(!samples.some(has('inForeignIsolate')));
    });
  });
}
