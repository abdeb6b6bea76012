// The values: CPU and wall time add up to the thread's own clocks, over one profile, over a gap, and over rotations.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { describe as describeStacks, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const ofThread = (profile, threadId) => profile.samples.filter((sample) => sample.threadId === threadId);

function within(actual, expected, tolerance, what) {
  const error = Math.abs(actual - expected) / expected;
  assert.ok(
    error <= tolerance,
    `${what}: ${(actual / 1e6).toFixed(1)} ms in the profile, ${(expected / 1e6).toFixed(1)} ms by the clock (${(100 * error).toFixed(2)}% off)`,
  );
}

function noNegatives(profile) {
  for (const { count, cpu, wall } of profile.samples) assert.ok(count >= 1 && cpu >= 0 && wall >= 0, `${count}, ${cpu}, ${wall}`);
}

for (const major of majors) {
  describe(`values on Node ${major}`, () => {
    for (const [what, options] of [
      ['the default interval', {}],
      ['1 ms', { intervalMicros: 1000 }],
    ]) {
      it(`sums are the thread's own clocks, at ${what} (Node ${major})`, async () => {
        const run = await runScenario('values', major, { rounds: long ? 60 : 15, options });
        const profile = readProfile(run.profile.file);
        noNegatives(profile);
        const samples = ofThread(profile, run.threadId);
        within(total(samples, 'cpu'), run.cpu, 0.03, 'cpu');
        within(total(samples, 'wall'), run.wall, 0.01, 'wall');
        assert.ok(
          samples.every((sample) => sample.threadName === 'main'),
          describeStacks(profile.samples),
        );
        assert.equal(profile.period, options.intervalMicros === undefined ? 10_000_000 : 1_000_000);
      });
    }

    it(`a gap between stop and start is in no delta (Node ${major})`, async () => {
      const { periods } = await runScenario('gap', major);
      for (const period of periods) {
        const profile = readProfile(period.file);
        noNegatives(profile);
        assert.ok(
          profile.samples.every((sample) => sample.wall / sample.count < 200e6),
          describeStacks(profile.samples, 'wall'),
        );
        const wall = total(profile.samples, 'wall');
        assert.ok(wall < period.most * 1.01 + 2e6 && wall > period.least * 0.9, `${wall / 1e6} of ${period.least / 1e6} to ${period.most / 1e6} ms`);
        assert.ok(period.stats.samples < 200, 'statistics begin with start()');
      }
      const between = Number(BigInt(periods[1].startTimeNanos) - BigInt(periods[0].endTimeNanos));
      assert.ok(between > 1.9e9 && between < 4e9, `${between / 1e6} ms between the two periods`);
    });

    it(`rotations lose nothing and do not overlap (Node ${major})`, async () => {
      const run = await runScenario('rotations', major, { rounds: long ? 100 : 15, options: { intervalMicros: 2000 } });
      const profiles = run.profiles.map((entry) => ({ ...entry, ...readProfile(entry.file) }));
      for (const [index, profile] of profiles.entries()) {
        noNegatives(profile);
        const [start, end] = [BigInt(profile.startTimeNanos), BigInt(profile.endTimeNanos)];
        assert.ok(end >= start);
        assert.equal(profile.timeNanos, start, 'the profile says when it began');
        assert.equal(profile.durationNanos, end - start, 'and how long it is');
        if (index > 0) {
          const previous = BigInt(profiles[index - 1].endTimeNanos);
          assert.ok(start >= previous, `starts ${previous - start} ns before the previous one ended`);
          assert.ok(start - previous < 50_000_000n, 'no gap between periods');
        }
      }
      const samples = profiles.flatMap((profile) => profile.samples);
      const mine = samples.filter((sample) => sample.threadId === run.threadId);
      within(total(mine, 'cpu'), run.cpu, 0.03, 'cpu over all rotations');
      within(total(mine, 'wall'), run.wall, 0.01, 'wall over all rotations');
      const { stats } = profiles.at(-1);
      assert.equal(total(samples, 'count'), stats.recorded, 'every recorded sample is in exactly one profile');
      assert.equal(stats.droppedSamples + stats.droppedByRecorder + stats.failedSerializations, 0);
      assert.equal(stats.serializations, profiles.length);
      const encoding = profiles.map((profile) => profile.stats.encodeCpuNanos);
      assert.ok(encoding[0] > 0 && encoding.every((nanos, index) => index === 0 || nanos > encoding[index - 1]), `CPU time of encoding: ${encoding}`);
      assert.ok(
        stats.serializeMinNanos > 0 &&
          stats.serializeMinNanos <= stats.serializeMeanNanos &&
          stats.serializeMeanNanos <= stats.serializeMaxNanos,
      );
    });
  });
}
