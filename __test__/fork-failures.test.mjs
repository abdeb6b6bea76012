// A reset that fails in a real child: the profiler is off, says so with the error, and all of it is done again until it succeeds, whoever made the
// attempt that failed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const FORKED = 'ERR_PRONGHORN_FORKED';
/** Of the native half: crates/pronghorn-node/src/fork.rs. */
const NATIVE = ['hooksOff', 'resetCollector', 'resetRecorder', 'resetBinding'];
const OFF = { running: false, ticker: false, hooked: false, armed: false, faults: false, termination: [] };
const run = (scenario, major, settings = {}) => runFork('failures', scenario, major, settings, { failpoints: true });

/** The announcements of an attempt that has failed: twice the same error, while everything is off. */
function isFailure([failure, reset], step) {
  assert.deepEqual([failure.name, failure.code, failure.stats, failure.on], ['error', FORKED, FORKED, OFF], step);
  assert.deepEqual([reset.name, reset.restarted, reset.stats, reset.on], ['fork:reset', false, FORKED, OFF], step);
  assert.match(failure.text, /^the profiler is off in this forked process until a reset succeeds: /, step);
  assert.equal(reset.text, failure.text, step);
  const cause = NATIVE.includes(step) ? `${step}: injected` : `a test makes "${step}" fail`;
  assert.equal(failure.cause, cause);
  assert.ok(failure.text.endsWith(cause), failure.text);
}

for (const major of majors) {
  describe(`resets that fail, Node ${major}`, { concurrency: 2 }, () => {
    it(`a native step fails once: off, told of, done again by the loop, and the child is profiled (Node ${major})`, async () => {
      const { report } = await run('loop', major, { steps: NATIVE });
      for (const step of NATIVE) {
        const { done, heard, names, parent } = report[step];
        assert.ok(done, `${step}: nobody tried again`);
        isFailure(heard, step);
        assert.deepEqual(heard.slice(2).map(({ name, restarted, stats }) => [name, restarted, stats]), [['fork:reset', true, 'none']], step);
        assert.deepEqual([names, parent], [['childOnly'], ['parentOnly']], step);
      }
    });

    it(`an attempt that a call made and that failed is made again by the loop alone (Node ${major})`, async () => {
      const steps = ['hooks off: collector', 'reset: promises', 'start: profiler', ...NATIVE];
      const { report } = await run('call', major, { steps });
      assert.equal(Object.keys(report).length, 2 * steps.length);
      for (const [name, { first, told, early, settled, done, heard, names }] of Object.entries(report)) {
        assert.deepEqual([first, told], [FORKED, 2], name);
        isFailure(heard, name.split(', ')[0]);
        assert.ok(done, `${name}: the loop did not try again`);
        assert.deepEqual([heard.at(-1).name, heard.at(-1).restarted], ['fork:reset', true], name);
        // Promises reject in the second round of whichever attempt comes to them.
        assert.equal(early, name.startsWith('start: ') ? 1 : 0, name);
        assert.deepEqual(settled, [FORKED], name);
        assert.deepEqual(names, ['childOnly'], name);
      }
    });

    it(`afterFork: 'stop' and a step that failed: in the end nothing of ours is entered any more (Node ${major})`, async () => {
      const steps = ['hooks off: binding', 'reset: recorder', 'stay off', ...NATIVE];
      const { report } = await run('stop', major, { steps });
      for (const step of steps) {
        const { done, heard, counts, on, forked, parent } = report[step];
        assert.ok(done, `${step}: nobody tried again`);
        isFailure(heard, step);
        assert.deepEqual([heard.at(-1).restarted, heard.at(-1).text], [false, "the option afterFork is 'stop'"], step);
        assert.deepEqual(counts, { handler: 0, collection: 0, poll: 0, call: 0, interrupt: 0 }, step);
        assert.deepEqual([on, forked, parent], [OFF, false, ['parentOnly']], step);
      }
    });

    it(`a ticker that cannot be made leaves the child off, told of, and alive (Node ${major})`, async () => {
      const { child, parent } = (await run('threads', major)).report;
      assert.equal(child.denied, 0, 'this system cannot refuse threads');
      assert.ok(child.byLoop >= 4, 'the loop tried twice');
      for (const { name, code, text, stats, on } of child.heard) {
        assert.match(text, /the ticker thread could not start/);
        assert.deepEqual([code, stats, on], [name === 'error' ? FORKED : undefined, FORKED, OFF]);
      }
      assert.deepEqual(child.heard.map(({ name }) => name), ['error', 'fork:reset', 'error', 'fork:reset']);
      assert.deepEqual(child.calls, [FORKED, FORKED, FORKED]);
      assert.deepEqual([child.on, child.forked, parent], [OFF, true, ['parentOnly']]);
    });
  });
}
