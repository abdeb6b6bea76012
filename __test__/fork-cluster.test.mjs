// A cluster whose primary, or one of whose workers, really forks while a session runs: the session stays with the parent.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const FORKED = 'ERR_PRONGHORN_FORKED';

for (const major of majors) {
  it(`the primary forks: its child has no session, no socket and no file of it, and the parent's goes on (Node ${major})`, async () => {
    const { report } = await runFork('cluster', 'primary', major);
    const { before, child, first, last } = report;
    assert.deepEqual([child.pending, child.rotate, child.stop], [FORKED, FORKED, FORKED]);
    // Two workers: a pipe of ours and a channel of Node's each, and a file for the last profile.
    assert.equal(before.filter((target) => target.includes('.pronghorn-')).length, 2, before.join());
    assert.equal(child.left.filter((target) => target.includes('.pronghorn-')).length, 0, child.left.join());
    assert.equal(child.left.length, before.length - 4, `${child.left} of ${before}`);
    for (const parts of [first, last]) {
      assert.deepEqual(parts.map(({ workerId, code }) => [workerId, code]), [[undefined, undefined], [1, undefined], [2, undefined]]);
      assert.ok(parts[0].parent > 0);
      assert.deepEqual(parts.map((part) => part.child), [0, 0, 0]);
    }
  });

  it(`a worker forks: its child says nothing to the primary, and the worker does as before (Node ${major})`, async () => {
    const { report } = await runFork('cluster', 'worker', major);
    const { child, rotated, last } = report;
    // The pipe, and the file for the last profile; Node's channel stays.
    assert.equal(child.value.left.filter((target) => target.includes('.pronghorn-')).length, 0, child.value.left.join());
    assert.equal(child.value.left.length, child.before.length - 2, `${child.value.left} of ${child.before}`);
    for (const parts of [rotated, last]) {
      assert.deepEqual(parts.map(({ workerId, code }) => [workerId, code]), [[undefined, undefined], [1, undefined]]);
      assert.ok(parts[1].parent > 0);
      assert.deepEqual(parts.map((part) => part.child), [0, 0]);
    }
  });
}
