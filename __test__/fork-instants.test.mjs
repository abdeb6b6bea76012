// The shipped binary, forked at random instants of a process that is busy with everything: no hang, no crash, and right profiles in parent and child.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { long, majors } from './helpers/nodes.mjs';

const COUNT = long ? 1_000 : 200;
/** In turns. Those that run no handlers wait for nobody, and more of them find the ticker where it must not be. */
const KINDS = ['fork', 'fork', '_Fork', 'fork', 'clone'];
const WITH_HANDLERS = 0.6 * COUNT;

describe('forks at random instants', { concurrency: 2 }, () => {
  for (const major of majors) {
    it(`${COUNT} forks with collections, compilation, zlib, files, http and rotations in flight (Node ${major})`, async (context) => {
      const { report } = await runFork('instants', 'busy', major, { count: COUNT, kinds: KINDS }, { deadlineMs: long ? 600_000 : 120_000 });
      assert.equal(report.forks.length, COUNT);
      // A fork that finds the ticker inside V8 for a millisecond is late, which is allowed and counted: its child stays off.
      const [late, profiled] = [report.forks.filter((fork) => fork.code), report.forks.filter((fork) => !fork.code)];
      for (const { names, later, own, sequence, lost } of profiled) {
        assert.deepEqual({ names, own, sequence, lost }, { names: ['childOnly'], own: true, sequence: [0, 1], lost: 0 });
        assert.ok(!later.includes('parentOnly'));
      }
      const { seen, stats } = report;
      assert.deepEqual(seen.wrong, []);
      for (const [name, times] of Object.entries(seen)) if (name !== 'wrong') assert.ok(times >= 20, `${name} only ${times} times`);
      assert.ok(report.sampledOn > 0);
      assert.deepEqual(report.names, ['parentOnly']);
      assert.equal(stats.forks, WITH_HANDLERS, 'only fork(3) runs handlers');
      assert.equal(stats.droppedSamples + stats.droppedByRecorder + stats.failedSerializations, 0);
      assert.ok(late.every((fork) => fork.code === 'ERR_PRONGHORN_FORKED'), JSON.stringify(late));
      const counted = late.filter(({ kind }) => kind === 'fork');
      assert.equal(counted.length, stats.lateForks);
      assert.ok(counted.length <= 0.05 * WITH_HANDLERS, `${counted.length} late forks`);
      assert.ok(late.length - counted.length <= 0.3 * (COUNT - WITH_HANDLERS), `${late.length - counted.length} forks without handlers caught the ticker`);
      context.diagnostic(`handlers of ${stats.forks} forks: p50 ${stats.forkHandlersP50Nanos} ns, p99 ${stats.forkHandlersP99Nanos} ns, ${stats.lateForks} late; without handlers ${late.length - counted.length} late`);
    });
  }
});
