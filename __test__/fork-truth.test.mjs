// What profiles show after a fork: the child's own work since the reset, correct, and nothing of the parent's; the parent's as if nobody had forked.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { long, majors } from './helpers/nodes.mjs';

const MS = long ? 2_000 : 600;

/** `value` is `expected` to within a share of it. */
function near(value, expected, share, what) {
  assert.ok(Math.abs(value - expected) <= share * expected, `${what}: ${value / 1e6} ms instead of ${expected / 1e6} ms`);
}

/**
 * The wall time of a profile is that from its start until stop() was called, which kept the thread for a moment itself. A period that a
 * rotation began also has what this thread did between its own part of the rotation and the flip.
 */
function checkWall({ wall, start, stopped: [before, after], rotated = start }, what) {
  const least = Number(BigInt(before) - BigInt(start));
  const most = Number(BigInt(after) - BigInt(rotated));
  assert.ok(wall >= 0.99 * least && wall <= 1.01 * most, `${what}: ${wall / 1e6} ms instead of ${least / 1e6} to ${most / 1e6} ms`);
}

function checkChild({ child, parent }) {
  // Nothing of the parent's: no name, thread, statistic, number or time.
  assert.deepEqual(child.names, ['childOnly']);
  assert.deepEqual(child.threads, [child.tid]);
  assert.notEqual(child.tid, parent.tid);
  assert.equal(child.sequence, 0);
  assert.equal(child.processId, child.pid);
  assert.notEqual(child.runtimeId, parent.runtimeId);
  assert.deepEqual(child.comments.slice(1), [`runtime id ${child.runtimeId}`, `parent runtime id ${parent.runtimeId}`, `root runtime id ${parent.runtimeId}`]);
  assert.ok(parent.statsBefore > 50, 'the parent has statistics that could be inherited');
  for (const [name, value] of Object.entries(child.statsAtReset)) assert.ok(value <= 5, `${name} is ${value} right after the reset`);
  const [start, before, after] = [child.start, child.realBefore, child.realAfter].map(BigInt);
  assert.ok(start >= before && start <= after, `the profile starts at ${start}, the reset was between ${before} and ${after}`);
  assert.equal(child.timeNanos, child.start);
  assert.equal(child.reset.restarted, true);
  assert.equal(child.reset.pid, child.pid);
  assert.equal(child.reset.generation, 1);
  // And all that is its own.
  checkWall(child, 'wall time since the reset');
  near(child.cpu, child.cpuOfThread, 0.03, 'cpu time since the reset');
  assert.ok(child.child > 0.9 * child.count, `${child.child} of ${child.count} samples in childOnly`);
}

function checkParent({ parent }) {
  assert.deepEqual(parent.names, ['parentOnly']);
  assert.deepEqual(parent.threads, [parent.tid]);
  assert.equal(parent.sequence, 1);
  assert.equal(parent.start, parent.firstEnd, 'no gap between the periods around the fork');
  checkWall(parent, "the parent's wall time over the fork");
  assert.ok(parent.cpu >= 0.97 * parent.work.cpu, `${parent.cpu / 1e6} ms of at least ${parent.work.cpu / 1e6} ms of cpu time`);
  assert.equal(parent.stats.droppedSamples + parent.stats.droppedByRecorder + parent.stats.failedSerializations, 0);
}

for (const major of majors) {
  describe(`profiles after a fork, Node ${major}`, { concurrency: 2 }, () => {
    for (const kind of ['fork', '_Fork', 'clone']) {
      it(`parent and child each show their own work: ${kind} (Node ${major})`, async () => {
        const { report } = await runFork('truth', 'sums', major, { kind, ms: MS });
        checkChild(report);
        checkParent(report);
        assert.equal(report.parent.stats.forks, kind === 'fork' ? 1 : 0, 'only fork(3) runs handlers');
        assert.equal(report.child.frames, 'full');
      });
    }

    it(`the same with physical frames alone (Node ${major})`, async () => {
      const { report } = await runFork('truth', 'sums', major, { kind: 'fork', ms: MS, v8Version: [99, 9] });
      checkChild(report);
      checkParent(report);
      assert.equal(report.child.frames, 'physical');
    });

    it(`the first period starts at the reset's clock reading (Node ${major})`, async () => {
      const { report } = await runFork('truth', 'reading', major);
      assert.equal(report.one.start, report.reading);
      assert.equal(report.one.timeNanos, report.reading);
      assert.equal(report.two.start, report.one.end);
      assert.deepEqual([report.one.names, report.two.names], [['childOnly'], []]);
    });

    it(`samples in both slots before the fork are in no profile after it, whichever was active (Node ${major})`, async () => {
      const count = long ? 20 : 4;
      const { report } = await runFork('truth', 'bothSlots', major, { count }, { failpoints: true });
      assert.equal(report.gaveUp, 0);
      assert.deepEqual(report.results.map(({ active }) => active), Array.from({ length: count }, (_, index) => index % 2), 'each slot was active in turn');
      for (const { active, samples, child, parent } of report.results) {
        assert.ok(
          samples.every((held) => held > 0),
          `slots held ${samples} samples while slot ${active} was active`,
        );
        const [one, two, three] = child;
        for (const period of child) assert.equal(period.parent, 0);
        for (const period of [one, two]) assert.ok(period.child === 0 && period.count < 15, `${JSON.stringify(period)} of the reset itself`);
        assert.ok(three.child > 0);
        assert.ok(parent > 0, "the parent's rotation delivers");
      }
    });
  });
}
