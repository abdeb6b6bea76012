// Two copies of the package in a process that really forks: whichever runs, a child resets both, and both work in it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { copyOfPackage } from './helpers/copy-of-package.mjs';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const copy = copyOfPackage();
const RESET = { restarted: true, own: true };

/** A profile of a child's. */
function isOwn({ parent, child, ownThread }, what) {
  assert.ok(parent === 0 && child > 0 && ownThread, `${what}: ${parent} samples of the parent, ${child} of the child`);
}

for (const major of majors) {
  describe(`two copies of the package and a fork, Node ${major}`, { concurrency: 2 }, () => {
    // Without handlers each binary notices by its own page that it is in a child, and knows by itself that there is no thread pool.
    for (const [scenario, kind] of [['oneThenTwo', 'fork'], ['twoLoaded', 'fork'], ['twoLoaded', '_Fork']]) {
      const what = scenario === 'twoLoaded' ? 'the first one runs, the second one is merely loaded' : 'the first one was stopped, the second one runs';
      it(`${what} at ${kind} (Node ${major})`, async () => {
        const { child, parent, resets } = (await runFork('copies', scenario, major, { copy, kind })).report;
        assert.ok(parent.parent > 0 && parent.child === 0);
        assert.deepEqual(resets, [], 'in the parent nothing changes');
        for (const [depth, each] of [child, child.below].entries()) {
          assert.deepEqual(each.after, { one: false, two: false }, `${depth}: before any call into the API`);
          assert.deepEqual(each.shared, [true, true]);
          for (const profile of [each.own, ...each.each, each.last]) isOwn(profile, `${depth}`);
          assert.deepEqual(each.resets.at(-1), RESET);
        }
      });
    }

    it(`the second one is first imported when the child has been reset (Node ${major})`, async () => {
      const { child, parent } = (await runFork('copies', 'twoAsleep', major, { copy, kind: 'fork' })).report;
      assert.deepEqual([child.before, child.after], [{ one: false, two: true }, { one: false, two: false }]);
      assert.ok(child.shared, 'what runs goes on');
      assert.deepEqual([child.sequence, child.resets], [0, [RESET]], 'and is not reset again');
      isOwn(child.own, 'what ran');
      isOwn(child.next, 'the second one');
      assert.ok(parent.parent > 0 && parent.child === 0);
    });
  });
}
