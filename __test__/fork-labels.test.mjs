// Labels over a fork whose child goes on running JavaScript.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

for (const major of majors) {
  describe(`labels over a fork, Node ${major}`, { concurrency: 2 }, () => {
    for (const kind of ['fork', '_Fork', 'clone']) {
      it(`the child's work has the labels of its scope, and new ones (${kind}, Node ${major})`, async () => {
        const { report } = await runFork('labels', 'scope', major, { kind });
        assert.deepEqual(report.child.labels, { fresh: ['fresh=yes,route=/r'], scope: ['route=/r'], awaited: ['route=/r'], known: ['known=set,route=/r'] });
        assert.equal(report.child.stats.lostLabels, 0);
        assert.deepEqual(report.labels, { before: ['route=/r'], after: ['route=/r'], outside: [''] });
      });
    }
  });
}
