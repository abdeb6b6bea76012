// Stalls across a fork: a child reports nothing of its parent's, and its own watcher works, whatever the parent's was doing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

/** What a process saw of its own block, and of nothing else. */
function sawItsOwn(seen, block, what) {
  const text = `${what}: ${JSON.stringify(seen)}`;
  assert.deepEqual(seen.messages.map(({ pid, names }) => [pid, names.includes(block)]), [[seen.pid, true]], text);
  assert.equal(seen.reports.length, 1, text);
  assert.deepEqual([seen.stalls, seen.stallReports], [1, 1], text);
}

for (const major of majors) {
  describe(`stalls across a fork, Node ${major}`, () => {
    for (const kind of ['fork', '_Fork', 'clone']) {
      it(`in the middle of one, by ${kind} (Node ${major})`, async () => {
        const { report } = await runFork('stalls', 'middle', major, { kind });
        sawItsOwn(report.child, 'childBlocks', 'child');
        sawItsOwn(report.parent, 'parentBlocks', 'parent');
      });
    }

    it(`while a report is being written (Node ${major})`, async () => {
      const { report } = await runFork('stalls', 'written', major, {}, { failpoints: true });
      sawItsOwn(report.child, 'childBlocks', 'child');
      sawItsOwn(report.parent, 'parentBlocks', 'parent');
      assert.deepEqual([report.parent.open, report.child.open], [1, 0], 'descriptors of the file');
    });

    it(`a child that stays off watches nothing (Node ${major})`, async () => {
      const { report } = await runFork('stalls', 'off', major);
      assert.deepEqual([report.child.messages, report.child.reports], [[], []]);
      sawItsOwn(report.parent, 'parentBlocks', 'parent');
    });
  });
}
