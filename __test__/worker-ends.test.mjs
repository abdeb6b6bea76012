// A worker that ends, however it ends, takes no other thread with it, and what it was seen doing is in the next profile.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failpointPackage } from './helpers/failpoint-package.mjs';
import { long, majors } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

/** Ways to end, how many of each, and the exit codes they have: Node says 0 of a worker that was terminated before it ran anything. */
const ENDS = {
  terminated: { count: long ? 1_000 : 100, codes: ['0', '1'] },
  exits: { count: long ? 200 : 24, codes: ['3'] },
  'exits later': { count: long ? 200 : 24, codes: ['3'] },
  throws: { count: long ? 200 : 24, codes: ['1'] },
};

/** Each is held for as long as another thread takes to compute for 50 ms. */
const IN_MID_SAMPLE = long ? 200 : 16;

function checkOthers(run) {
  assert.equal(run.failure, undefined);
  const { samples } = readProfile(run.during.file);
  const main = samples.filter((sample) => sample.threadId === run.mainThread);
  assert.ok(main.some(has('onMain')), describeStacks(main));
  const periods = [run.during, run.after, run.last].flatMap(({ file }) => readProfile(file).samples);
  const bystander = periods.filter((sample) => sample.threadId === run.bystander);
  const cpu = total(bystander.filter(has('bystands')), 'cpu');
  assert.ok(cpu > 0.8 * run.cpuOfBystander && cpu < 1.05 * run.cpuOfBystander, `${cpu / 1e6} of ${run.cpuOfBystander / 1e6} ms\n${describeStacks(bystander)}`);
}

for (const major of majors) {
  describe(`ends of workers on Node ${major}`, () => {
    for (const [end, { count, codes }] of Object.entries(ENDS)) {
      it(`${count} workers: ${end} (Node ${major})`, async () => {
        const settings = { end, count, bystands: 300, options: { intervalMicros: 1_000 } };
        const run = await runScenario('worker-ends', major, settings, { deadlineMs: long ? 280_000 : 90_000 });
        assert.equal(Object.values(run.codes).reduce((sum, some) => sum + some), count);
        for (const code of Object.keys(run.codes)) assert.ok(codes.includes(code), `${run.codes[code]} workers ended with ${code}`);
        checkOthers(run);

        // The short worker is over before the rotation: its whole life is in the profile of that period, and in no other.
        const ofShort = ({ file }) => readProfile(file).samples.filter((sample) => sample.threadId === run.short.tid);
        const samples = ofShort(run.after);
        const cpu = total(samples.filter(has('isShort')), 'cpu');
        assert.ok(cpu > 0.8 * run.short.cpu && cpu < 1.05 * run.short.cpu, `${cpu / 1e6} of ${run.short.cpu / 1e6} ms\n${describeStacks(samples)}`);
        assert.deepEqual(ofShort(run.last), []);
        const { droppedSamples, droppedByRecorder, leftBehind, forgedSignals, brokenWalks, recorded } = run.last.stats;
        assert.deepEqual({ droppedSamples, droppedByRecorder, leftBehind }, { droppedSamples: 0, droppedByRecorder: 0, leftBehind: [] });
        assert.ok(forgedSignals <= count / 20, `${forgedSignals} signals were taken for somebody else's`);
        assert.ok(brokenWalks < 0.05 * recorded, `${brokenWalks} of ${recorded} walks broke off`);
      });
    }

    it(`${IN_MID_SAMPLE} workers: terminated in mid-sample (Node ${major})`, async () => {
      const settings = { count: IN_MID_SAMPLE, options: { intervalMicros: 1_000 }, package: await failpointPackage() };
      const run = await runScenario('worker-mid-sample', major, settings, { deadlineMs: long ? 240_000 : 60_000 });
      assert.equal(run.workers.length, IN_MID_SAMPLE);
      assert.equal(run.gaveUp, 0, 'a held thread was not released');
      checkOthers(run);
      const { samples } = readProfile(run.during.file);
      let arrived = 0;
      for (const { tid, cpu, held, meanwhile, code } of run.workers) {
        // It was in the handler, and did not end before it was out of it; the others were sampled.
        assert.deepEqual({ ...held, code }, { inHandler: true, isHeld: true, hasEnded: false, code: 1 });
        assert.ok(meanwhile >= 10, `${meanwhile} samples of others meanwhile`);
        const own = samples.filter((sample) => sample.threadId === tid);
        const seen = total(own, 'cpu');
        assert.ok(seen > 0.8 * cpu && own.some(has('computesNatively')), `${seen / 1e6} of ${cpu / 1e6} ms\n${describeStacks(own)}`);
        if (own.some(has('isHeld'))) arrived += 1;
      }
      // A walk may break off, or have begun between two calls of native code.
      assert.ok(arrived >= 0.75 * IN_MID_SAMPLE, `what was in hand has arrived from ${arrived} of ${IN_MID_SAMPLE}`);
      const { droppedSamples, droppedByRecorder, leftBehind } = run.last.stats;
      assert.deepEqual({ droppedSamples, droppedByRecorder, leftBehind }, { droppedSamples: 0, droppedByRecorder: 0, leftBehind: [] });
    });
  });
}
