// What programs and other tools do to the thread that is sampled each 100 µs: it goes on as it would without us, at least
// 2,000 walks are taken for each second of CPU time, and hardly a stack is bad.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launch } from './helpers/child.mjs';
import { long, majors, nodePath } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { BAD_LIMIT } from './helpers/truths.mjs';

const ms = long ? 10_000 : 1_000;
const rate = { options: { intervalMicros: 1_000 }, hook: { intervalNanos: 100_000 } };

async function neighbour(what, major, flags = []) {
  const run = await runScenario('neighbours', major, { what, ms, ...rate }, { flags, deadlineMs: ms * 3 + 30_000 });
  const { samples } = readProfile(run.profile.file);
  return { ...run, stats: run.profile.stats, samples };
}

/**
 * Enough walks, and none of them worse than elsewhere.
 *
 * @param {{ foreign?: boolean }} [options] isolates of others are entered on the thread, whose frames are not read
 */
function judge({ stats, samples }, { foreign = false } = {}) {
  const seconds = total(samples, 'cpu') / 1e9;
  const summary = `${stats.samples} walks in ${seconds.toFixed(2)} s of CPU time, ${stats.brokenWalks} broken, ${stats.refusedWalks} refused, ${stats.faults} faults, ${stats.droppedSamples} dropped`;
  assert.ok(stats.samples >= 2_000 * seconds, `${summary}\n${describeStacks(samples, 'count', 4)}`);
  if (foreign) assert.ok(stats.refusedWalks > 100, summary);
  assert.ok(stats.brokenWalks + (foreign ? 0 : stats.refusedWalks) + stats.droppedByRecorder <= BAD_LIMIT * stats.samples, summary);
  // 25 stacks of 1,024 frames fill the buffer, in 3 ms at this rate; the time of one that does not fit goes to the next.
  assert.ok(stats.droppedSamples <= 0.1 * stats.samples, summary);
  assert.equal(total(samples, 'count'), stats.recorded);
  return summary;
}

/** Runs a few lines with the package at hand, without any of the tests' frames around them. */
function bare(major, source, flags = []) {
  return launch(nodePath(major), [...flags, '--input-type=module', '-e', `import { start } from 'pronghorn';\n${source}`], { deadlineMs: 30_000 }).done;
}

const SPIN = 'const spin = (ms) => { for (const end = Date.now() + ms; Date.now() < end; ); };';

for (const major of majors) {
  describe(`neighbours on Node ${major}`, { concurrency: 2 }, () => {
    for (const [what, flags, name, check] of [
      ['overflow', [], 'descend', ({ overflows }) => overflows > 10],
      ['overflow', ['--stack-size=100'], 'descend', ({ overflows }) => overflows > 10],
      ['atomics', [], 'atomics', ({ waits }) => waits > 100],
      ['contexts', [], 'inContext', ({ contexts }) => contexts > 10],
      ['domains', [], 'burn', ({ caught }) => caught > 10],
      // As its README asks for. It has binaries for these versions.
      ...(major >= 24 ? [['isolates', ['--no-node-snapshot'], 'burn', ({ isolates }) => isolates > 10]] : []),
    ]) {
      it(`${[what, ...flags].join(' ')} (Node ${major})`, async (context) => {
        const run = await neighbour(what, major, flags);
        context.diagnostic(judge(run, { foreign: what === 'isolates' }));
        assert.ok(check(run), JSON.stringify({ ...run, samples: undefined }));
        assert.ok(share(run.samples, 'count', has(name)) > 0.3, describeStacks(run.samples, 'count', 4));
        if (what !== 'isolates') return;
        // Beneath the frames of the other isolate lie our own again.
        const inside = run.samples.filter(has('backInside'));
        assert.ok(total(inside, 'count') > 50 && share(inside, 'count', has('entersIsolate')) > 0.98, describeStacks(inside, 'count', 4));
      });
    }

    it(`a debugger that pauses and steps (Node ${major})`, async (context) => {
      const run = await neighbour('debugger', major);
      context.diagnostic(`${judge(run)}; ${run.pauses} pauses`);
      assert.ok(run.pauses > 10, `${run.pauses} pauses`);
      assert.ok(share(run.samples, 'cpu', has('burn')) > 0.3, describeStacks(run.samples, 'count', 4));
    });

    it(`@datadog/pprof on the same thread (Node ${major})`, async (context) => {
      const run = await neighbour('datadog', major);
      context.diagnostic(`${judge(run)}; ${run.theirs} stacks of theirs`);
      assert.ok(run.theirs > 0 && run.hit, 'it works, too');
      assert.ok(share(run.samples, 'cpu', has('chunk')) > 0.3, describeStacks(run.samples, 'cpu', 4));
    });

    it(`an uncaught exception ends the process as it would (Node ${major})`, async () => {
      const throwing = `${SPIN} spin(100); setTimeout(() => { spin(100); throw new TypeError('nobody catches this'); });`;
      const [with_, without] = await Promise.all([bare(major, `start({ intervalMicros: 1000 }); ${throwing}`), bare(major, throwing)]);
      assert.deepEqual([with_.code, with_.signal], [without.code, without.signal]);
      assert.equal(with_.code, 1);
      assert.match(with_.stderr, /TypeError: nobody catches this/);
    });

    it(`process.abort() stays an abort (Node ${major})`, async () => {
      const run = await bare(major, `start({ intervalMicros: 1000 }); ${SPIN} spin(200); process.abort();`);
      assert.equal(run.signal, 'SIGABRT', run.stderr);
    });
  });
}
