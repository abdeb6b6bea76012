// Real forks in a cluster that is being profiled: the child of the primary and that of a worker belong to no session, stay off, and say why.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const REASON = 'it ran in the parent for a session of startCluster(), which this process has no part in';

for (const major of majors) {
  it(`a process that is forked off during a session has no part in it (Node ${major})`, async () => {
    const { report } = await runFork('session', 'cluster', major);
    for (const [who, { resets, stop, wills, child, parent }] of Object.entries({ worker: report.ofWorker, primary: report.ofPrimary })) {
      assert.deepEqual(resets, [{ restarted: false, reason: REASON }], who);
      assert.equal(stop, 'ERR_PRONGHORN_NOT_STARTED', who);
      assert.equal(wills, 0, `${who}: files of the session are open`);
      assert.ok(child > 0 && parent === 0, `${who}: a profile of its own, with ${child} samples of the child and ${parent} of the parent`);
    }
    assert.ok(report.before > 0, 'the session has such a file');
    assert.equal(report.ofPrimary.rejected, 'ERR_PRONGHORN_FORKED');
    const all = [['primary', null], ['worker', null]];
    assert.deepEqual([report.rotated, report.last, report.resets], [all, all, []], 'in the parent nothing changes');
  });
}
