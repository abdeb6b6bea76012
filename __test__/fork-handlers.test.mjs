// Where the C library refuses our fork handlers: profiling starts, says so, and a fork is noticed all the same. A library in front of libc refuses them
// (crates/atfork-fixture). scenarios/fork-handlers.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atforkFixturePath } from './helpers/fixture.mjs';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const REASON = /^fork handlers could not be registered: Cannot allocate memory/;
const SENTENCE = /^fork handlers could not be registered \(errno 12\): a fork does not wait/;

/** The child was in limbo until its reset, and shows itself alone; so does the parent. */
function check({ children, parent, sampledOn }) {
  assert.equal(children.length, 9);
  for (const child of children) {
    const { forked, after, names, own, sequence } = child;
    assert.deepEqual({ forked, after, names, own, sequence }, { forked: true, after: false, names: ['childOnly'], own: true, sequence: 0 }, JSON.stringify(child));
  }
  assert.ok(sampledOn > 0, 'the parent is sampled after the forks');
  assert.deepEqual(parent.names, ['parentOnly']);
}

for (const major of majors) {
  describe(`fork handlers that are refused, Node ${major}`, { concurrency: 2 }, () => {
    for (const failpoints of [false, true]) {
      const binary = failpoints ? 'built for this machine' : 'as it is published';
      it(`profiling starts and says why, and each kind of fork is noticed by the wiped page: the binary ${binary} (Node ${major})`, async () => {
        const { report } = await runFork('handlers', 'forks', major, {}, { failpoints, env: { LD_PRELOAD: await atforkFixturePath() } });
        const { handlers, witness, reason } = report.capabilities.fork;
        assert.deepEqual([handlers, witness], [false, 'page']);
        assert.match(reason, REASON);
        assert.ok(
          report.capabilities.reasons.some((sentence) => SENTENCE.test(sentence)),
          `${report.capabilities.reasons}`,
        );
        check(report);
        // Nothing of ours runs that would count them.
        assert.deepEqual([report.stats.forks, report.stats.lateForks], [0, 0]);
        for (const { capabilities } of report.children) assert.equal(capabilities.fork.handlers, false);
      });
    }

    it(`without that library the handlers are there (Node ${major})`, async () => {
      const { report } = await runFork('handlers', 'forks', major);
      assert.deepEqual(report.capabilities.fork, { handlers: true, witness: 'page', reason: '' });
      check(report);
      assert.equal(report.stats.forks, 3 + report.late);
    });
  });
}
