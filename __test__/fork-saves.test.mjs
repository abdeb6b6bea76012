// save() around a fork: one that is under way is the parent's alone, and one that the child calls is its own, however early. scenarios/fork-saves.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const SIZE = 16 << 20;

for (const major of majors) {
  describe(`files around a fork, Node ${major}`, { concurrency: 2 }, () => {
    for (const [kind, running] of [['fork', false], ['fork', true], ['_Fork', false], ['clone', true]]) {
      const state = `${kind}, ${running ? 'a profiler runs' : 'the profiler has stopped'}`;

      it(`a save() that is pending rejects in the child, leaves nothing open in it, and is whole in the parent: ${state} (Node ${major})`, async () => {
        const { report } = await runFork('saves', 'pending', major, { kind, running });
        assert.equal(report.before, 1);
        assert.deepEqual(report.child, { inherited: 1, code: 'ERR_PRONGHORN_FORKED', open: 0, forked: false });
        assert.deepEqual([report.code, report.size, report.left], ['none', SIZE, []]);
      });

      it(`a save() that the child calls before it is reset is done: ${state} (Node ${major})`, async () => {
        const { report } = await runFork('saves', 'beforeReset', major, { kind, running });
        assert.deepEqual(report.child, { forked: true, code: 'none', size: SIZE, open: 0, left: [], again: 'none' });
        assert.deepEqual([report.size, report.again, report.left], [SIZE, SIZE, []]);
      });
    }
  });
}
