// The lines of a script of 10 MB are counted in slices: no safe point does all of it, and every line is right in the end.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { majors } from './helpers/nodes.mjs';
import { describe as describeStacks, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const LINES = 130_000;

for (const major of majors) {
  describe(`a script of 10 MB on Node ${major}`, () => {
    for (const [what, settings] of [
      ['sampled 100 times a second', { wide: false, options: {} }],
      ['of two bytes per character, sampled 1,000 times a second', { wide: true, options: { intervalMicros: 1_000 } }],
    ]) {
      it(`${what} (Node ${major})`, async () => {
        const run = await runScenario('large-script', major, { lines: LINES, ms: 1_000, ...settings }, { flags: ['--expose-gc'], deadlineMs: 60_000 });
        assert.ok(run.bytes > 10_000_000);
        assert.ok(run.early.unfinishedResolves >= 1, 'some safe point had no time for all of it');
        const { stats } = run.profile;
        assert.equal(stats.recorded - stats.idleSamples, stats.samples, 'what a safe point has no time for is resolved by a later one');
        assert.deepEqual([stats.droppedByRecorder, stats.droppedSamples, stats.badFrames], [0, 0, 0]);
        const { samples } = readProfile(run.profile.file);
        const hot = samples.filter((sample) => sample.stack.some((frame) => frame.name === 'hot' && frame.file === run.path));
        assert.ok(total(hot, 'cpu') > 0.9 * total(samples, 'cpu'), describeStacks(samples));
        for (const frame of hot.flatMap((sample) => sample.stack).filter((found) => found.name === 'hot')) {
          assert.equal(frame.startLine, LINES + 1);
          assert.ok(frame.line > LINES && frame.line <= LINES + 3, `line ${frame.line}`);
        }
      });
    }
  });
}
