// child_process forks too, and then executes another program: that never fails because of us, and costs next to nothing. The figures that users are told
// are measured by bench/details/spawns.mjs.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { has, readProfile } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

/** In all over the four majors 5,000, and so many on each in the long run. */
const SPAWNS = long ? 5_000 : 1_000;
const OTHERS = { spawnSync: 40, exec: 40, execFile: 40, execFileSync: 40, missing: 40 };
/** Those of the worker and of child_process.fork. */
const MORE = 80 + 4;

for (const major of majors) {
  it(`${SPAWNS} spawns under a profile of 1 kHz (Node ${major})`, async (context) => {
    const settings = { counts: { spawn: SPAWNS, ...OTHERS }, options: { intervalMicros: 1_000 } };
    const run = await runScenario('spawns', major, settings, { deadlineMs: long ? 180_000 : 60_000 });
    assert.deepEqual(run.errors, []);
    assert.deepEqual(run.forked, []);
    const all = SPAWNS + Object.values(OTHERS).reduce((sum, count) => sum + count) + MORE;
    const { forks, lateForks, forkHandlersP50Nanos, forkHandlersP99Nanos, droppedSamples, droppedByRecorder, samples } = run.stats;
    assert.equal(forks, all, 'each ran our handlers once');
    assert.ok(lateForks <= 0.01 * all, `${lateForks} late`);
    assert.deepEqual({ droppedSamples, droppedByRecorder }, { droppedSamples: 0, droppedByRecorder: 0 });
    assert.ok(samples > 100 && readProfile(run.file).samples.some(has('each')), `${samples} samples`);
    context.diagnostic(`handlers of ${forks} forks: p50 ${forkHandlersP50Nanos} ns, p99 ${forkHandlersP99Nanos} ns, ${lateForks} late`);
    // Twice the goal, which is 2 µs: it was 0.7 to 1.2 µs in 34 runs, some of them beside 20 processes that compute, and other machines' clocks cost more.
    assert.ok(forkHandlersP50Nanos < 4_000, `${forkHandlersP50Nanos} ns`);
    // Not the goal, 20 µs, though it was 1 to 4 µs in those runs: a dozen forks decide it. Where something takes the processor away from the ticker while a fork waits
    // for it, that one takes up to a millisecond, and it has come to 213 µs right after a build.
    assert.ok(forkHandlersP99Nanos < 500_000, `${forkHandlersP99Nanos} ns`);
  });
}
