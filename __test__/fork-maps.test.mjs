// Source maps across a fork: a child neither waits for the parent's loader nor loses the maps that are known.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

for (const major of majors) {
  describe(`source maps across a fork, Node ${major}`, () => {
    it(`while the loader is at work (Node ${major})`, async () => {
      const { report } = await runFork('maps', 'held', major, {}, { failpoints: true });
      const { child } = report;
      assert.deepEqual([child.status, child.value.files, child.value.late], [0, ['one.ts', 'two.ts'], 0], JSON.stringify(report));
      assert.equal(child.value.loaded, 2);
      assert.deepEqual(report.parent, ['one.ts', 'two.ts'], JSON.stringify(report));
    });

    it(`when the maps are known (Node ${major})`, async () => {
      const { report } = await runFork('maps', 'known', major, {}, { failpoints: true });
      const { child } = report;
      assert.deepEqual([child.status, child.value.files, child.value.loaded], [0, ['one.ts'], 0], JSON.stringify(report));
      assert.deepEqual(report.parent, ['one.ts']);
    });
  });
}
