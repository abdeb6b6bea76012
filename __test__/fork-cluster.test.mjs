// Members of a cluster session that fork themselves: the child has none of the session's sockets and files, says nothing to the other processes,
// and costs them nothing. scenarios/fork-cluster.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const FORKED = 'ERR_PRONGHORN_FORKED';

/** Fewer bytes than any message of ours has. Node wakes its own loop by writing eight at a time. */
const NO_MESSAGE = 50;

/** Every process has delivered its samples, and no error. */
function isWhole(parts, ids) {
  assert.deepEqual(parts.map(({ workerId, code }) => [workerId ?? 0, code]), ids.map((id) => [id, undefined]), JSON.stringify(parts));
  for (const part of parts) assert.ok(part.samples > 0, JSON.stringify(part));
}

for (const major of majors) {
  describe(`forks of a cluster's processes, Node ${major}`, { concurrency: 2 }, () => {
    it(`a primary that forks keeps its session; its child has nothing of it, and a cluster of its own (Node ${major})`, async () => {
      const { report } = await runFork('cluster', 'primary', major);
      const { had, child, rotated, stopped } = report;
      assert.equal(had, 2, 'the pipe to the worker, and the file for its last profile');
      assert.equal(child.inherited, had, 'a fork inherits both');
      assert.deepEqual(child.left, []);
      assert.deepEqual(child.codes, [FORKED, FORKED, FORKED], 'a pending rotation, and rotate() and stop() of the session');
      assert.ok(child.wrote < NO_MESSAGE, `the child wrote ${child.wrote} bytes`);
      isWhole(rotated, [0, 1]);
      isWhole(stopped, [0, 1]);
      // The child's own worker takes part; that of its parent cannot.
      isWhole(child.result.filter(({ workerId }) => workerId !== 1), [0, 2]);
      assert.deepEqual([child.mine, child.grandchild.inherited, child.grandchild.left], [2, 2, []]);
    });

    it(`a worker that forks while its answer is stuck in the pipe: its child writes nothing into it (Node ${major})`, async () => {
      const { report, lines } = await runFork('cluster', 'worker', major);
      const { said, first, bytes, rotated, stopped } = report;
      assert.deepEqual([said.stuck, said.status], [true, 0], JSON.stringify(lines));
      assert.ok(first > 100_000 && first < bytes[1], `${first} of ${bytes[1]} bytes went into the pipe before the fork`);
      const child = lines.find(({ pid, kind }) => pid === said.pid && kind === 'child')?.value;
      const [forked, wroteThen] = child.inLimbo;
      assert.equal(forked, true, 'the timer that goes on writing comes before the reset');
      assert.ok(wroteThen < NO_MESSAGE && child.wrote < NO_MESSAGE, `the child wrote ${wroteThen} bytes, and ${child.wrote} in the end`);
      assert.deepEqual([child.forked, child.closed], [false, 1], 'after the reset the pipe is closed');
      isWhole(rotated, [0, 1]);
      isWhole(stopped, [0, 1]);
    });
  });
}
