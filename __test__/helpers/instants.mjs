// What is asked of a run of scenarios/fork-instants.mjs: every fork came out right, in the parent and in the child.
import assert from 'node:assert/strict';
import { runFork } from './fork.mjs';

/** In turns. Those that run no handlers wait for nobody, and more of them find the ticker where it must not be. */
const KINDS = ['fork', 'fork', '_Fork', 'fork', 'clone'];
const WITH_HANDLERS = 0.6;

/**
 * Forks a busy process `count` times, at random instants, and checks what came of it. A child that has not ended after `childDeadlineMs` (10 s) hangs.
 *
 * @returns {Promise<{ stats: object, withHandlers: number, late: number, lateWithout: number }>} `late`: of those with handlers
 */
export async function forkAtInstants(major, { count, deadlineMs, childDeadlineMs }) {
  const { report } = await runFork('instants', 'busy', major, { count, kinds: KINDS, childDeadlineMs }, { deadlineMs });
  assert.equal(report.forks.length, count);
  // A fork that finds the ticker inside V8 for a millisecond is late, which is allowed and counted: its child stays off.
  const [late, profiled] = [report.forks.filter((fork) => fork.code), report.forks.filter((fork) => !fork.code)];
  for (const { names, later, own, sequence, lost } of profiled) {
    assert.deepEqual({ names, own, sequence, lost }, { names: ['childOnly'], own: true, sequence: [0, 1], lost: 0 });
    assert.ok(!later.includes('parentOnly'));
  }
  const { seen, stats } = report;
  assert.deepEqual(seen.wrong, []);
  for (const [name, times] of Object.entries(seen)) if (name !== 'wrong') assert.ok(times >= count / 10, `${name} only ${times} times`);
  assert.ok(report.sampledOn > 0);
  assert.deepEqual(report.names, ['parentOnly']);
  const withHandlers = WITH_HANDLERS * count;
  assert.equal(stats.forks, withHandlers, 'only fork(3) runs handlers');
  assert.equal(stats.droppedSamples + stats.droppedByRecorder + stats.failedSerializations, 0);
  assert.ok(late.every((fork) => fork.code === 'ERR_PRONGHORN_FORKED'), JSON.stringify(late));
  const counted = late.filter(({ kind }) => kind === 'fork').length;
  assert.equal(counted, stats.lateForks);
  assert.ok(counted <= 0.05 * withHandlers, `${counted} late forks`);
  const lateWithout = late.length - counted;
  assert.ok(lateWithout <= 0.3 * (count - withHandlers), `${lateWithout} forks without handlers caught the ticker`);
  return { stats, withHandlers, late: counted, lateWithout };
}
