// The lines of a script of 10 MB are counted in slices: no safe point does all of it, neither do a rotation, a stop or a full collection, and every line is
// right in the end.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failpointPackage } from './helpers/failpoint-package.mjs';
import { majors } from './helpers/nodes.mjs';
import { describe as describeStacks, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const LINES = 130_000;
/** CPU time of one pass: 0.3 ms, what is read before a collection or a stop, and what a busy machine makes of it. In one go it took 2 to 6. */
const LONGEST_PASS_MS = 1.5;

async function large(major, settings) {
  const run = await runScenario('large-script', major, { lines: LINES, ms: 1_000, ...settings }, { flags: ['--expose-gc'], deadlineMs: 60_000 });
  assert.ok(run.bytes > 10_000_000);
  const { stats } = run.profile;
  if (settings.what !== 'worker') assert.ok(stats.unfinishedResolves >= 1, 'some safe point had no time for all of it');
  assert.equal(stats.recorded - stats.idleSamples, stats.samples, 'what a safe point has no time for is resolved by a later one');
  assert.deepEqual([stats.droppedByRecorder, stats.droppedSamples, stats.badFrames, stats.leftBehind], [0, 0, 0, []]);
  const files = [...(run.rotated ?? []), run.profile].map(({ file }) => file);
  const samples = files.flatMap((file) => readProfile(file).samples);
  const hot = samples.filter((sample) => sample.stack.some((frame) => frame.name === 'hot' && frame.file === run.path));
  for (const frame of hot.flatMap((sample) => sample.stack).filter((found) => found.name === 'hot')) {
    assert.equal(frame.startLine, LINES + 1);
    assert.ok(frame.line > LINES && frame.line <= LINES + 3, `line ${frame.line}`);
  }
  return { ...run, samples, hot, hotMs: total(hot, 'cpu') / 1e6 };
}

for (const major of majors) {
  describe(`a script of 10 MB on Node ${major}`, () => {
    for (const [how, settings] of [
      ['sampled 100 times a second', { wide: false, options: {} }],
      ['of two bytes per character, sampled 1,000 times a second', { wide: true, options: { intervalMicros: 1_000 } }],
    ]) {
      it(`${how} (Node ${major})`, async () => {
        const { hotMs, samples } = await large(major, { what: 'long', ...settings });
        assert.ok(hotMs > (0.9 * total(samples, 'cpu')) / 1e6, describeStacks(samples));
      });
    }

    it(`in a turn that is too short: the loop comes round until all is resolved, and rests then (Node ${major})`, async () => {
      const { early, hotMs, restingMicros } = await large(major, { what: 'short', options: { intervalMicros: 1_000 } });
      assert.ok(hotMs > 5, `${hotMs} ms`);
      // But for what was taken in this very turn.
      assert.ok(early.samples - (early.recorded - early.idleSamples) <= 2, 'all is resolved before anything asks for the rest');
      assert.ok(restingMicros < 250_000, `${restingMicros} µs in 500 ms of rest`);
    });

    for (const [what, how] of [
      ['rotation', 'rotations right behind its first samples'],
      ['stop', 'a stop right behind its first samples'],
      ['collection', 'full collections right behind its first samples'],
      ['gone', 'a full collection in which it would die'],
    ]) {
      it(`${how}: no pass does all of it, and no line is missing (Node ${major})`, async () => {
        const { hot, profile, rotated } = await large(major, { what, wide: true, options: { intervalMicros: 1_000 } });
        assert.ok(hot.length > 0);
        const longestMs = profile.stats.resolveMaxNanos / 1e6;
        assert.ok(longestMs < LONGEST_PASS_MS, `the longest pass took ${longestMs} ms`);
        if (rotated !== undefined) assert.equal(rotated[0].endTimeNanos, rotated[1].startTimeNanos);
      });
    }

    // With assertions in the native half: a slice that could not survive a bad pointer fails.
    for (const what of ['stop', 'collection']) {
      it(`${what}: bad pointers would be survived in every slice (Node ${major})`, async () => {
        const { hot } = await large(major, { what, wide: true, options: { intervalMicros: 1_000 }, package: await failpointPackage() });
        assert.ok(hot.length > 0);
      });
    }

    // The stop comes while the worker's loop goes round, or before it does: it is waited for in either case.
    it(`on a worker that rests when the profiler stops (Node ${major})`, async () => {
      const { hotMs } = await large(major, { what: 'worker', options: { intervalMicros: 1_000 } });
      assert.ok(hotMs > 5, `${hotMs} ms`);
    });
  });
}
