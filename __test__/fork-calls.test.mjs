// Forks in the middle of the main thread's own synchronous calls: the parent's call ends as if nothing had been, the child's says that it was the
// parent's, and makes nothing its own. scenarios/fork-calls.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const FORKED = 'ERR_PRONGHORN_FORKED';

/** The call has made nothing its own: the chain is still to come. Then the child profiles itself. */
function checkChild({ child }, what) {
  const { code: _code, ...rest } = child;
  assert.deepEqual(rest, { forked: true, tasks: [], reset: { value: true }, after: false, names: ['childOnly'], own: true, sequence: 0 }, what);
}

for (const major of majors) {
  describe(`forks inside calls, Node ${major}`, { concurrency: 2 }, () => {
    it(`in the middle of stopSync() and rotateSync() (Node ${major})`, async () => {
      const { report } = await runFork('calls', 'serializing', major, {}, { failpoints: true });
      assert.equal(report.results.length, 10);
      assert.equal(report.gaveUp, 0);
      for (const result of report.results) {
        const what = JSON.stringify(result);
        checkChild(result, what);
        assert.equal(result.child.code, FORKED, what);
        assert.deepEqual(result.parent, ['parentOnly'], what);
      }
    });

    it(`in a garbage collection inside start() (Node ${major})`, async () => {
      const { report } = await runFork('calls', 'starting', major, {}, { failpoints: true });
      assert.equal(report.length, 6);
      for (const result of report) {
        const what = JSON.stringify(result);
        checkChild(result, what);
        assert.equal(result.child.code, FORKED, what);
        assert.deepEqual(result.parent, ['parentOnly'], what);
      }
    });

    for (const kind of ['fork', '_Fork', 'clone']) {
      it(`by ${kind} where a call is about to make a thread: the child has none before it is reset (Node ${major})`, async () => {
        const { report } = await runFork('calls', 'making', major, { kind }, { failpoints: true });
        assert.equal(report.gaveUp, 0);
        assert.deepEqual(report.results.map(({ name, end, made }) => [name, end, made]), [['pronghorn', 'done', true], ['pronghorn-end', 'done', true], ['pronghorn-maps', 'done', true]]);
        for (const result of report.results) {
          const what = JSON.stringify(result);
          checkChild(result, what);
          assert.equal(result.child.code, FORKED, what);
        }
      });
    }
  });
}
