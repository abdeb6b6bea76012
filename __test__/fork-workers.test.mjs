// Forks and worker threads: the child of a thread's fork stays off and never hangs, and threads of a child that was not reset are refused.
// scenarios/fork-workers.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

const everyCall = (code) => ({ start: code, stop: code, resetAfterFork: code, profile: code });
const IN_WORKER = everyCall('ERR_PRONGHORN_FORKED_IN_WORKER');

for (const major of majors) {
  describe(`forks of worker threads, Node ${major}`, { concurrency: 2 }, () => {
    for (const [kind, loads] of [['fork', false], ['_Fork', true]]) {
      it(`the child of a thread that ${loads ? 'has loaded' : 'never loaded'} the package turns its loop, collects garbage, gets signals, and stays off: ${kind} (Node ${major})`, async () => {
        const { report } = await runFork('workers', 'running', major, { kind, loads });
        assert.equal(report.status, 0);
        assert.deepEqual(report.codes, IN_WORKER);
        assert.ok(report.parent > 0);
        assert.equal(report.threads, 2, 'the thread that forked was profiled');
      });
    }

    for (const loads of [true, false]) {
      it(`the same if nothing was ever started: the thread ${loads ? 'has' : 'has not'} loaded the package (Node ${major})`, async () => {
        const { report } = await runFork('workers', 'neverStarted', major, { kind: loads ? 'fork' : 'clone', loads });
        assert.equal(report.status, 0);
        assert.deepEqual(report.codes, IN_WORKER);
        assert.ok(report.parent > 0, 'the parent can still start it');
      });
    }

    // Worker threads in a child of fork(2) fail on Node 26, without us too.
    if (major < 26) {
      it(`a thread that the main thread's child makes before it is reset waits for the reset (Node ${major})`, async () => {
        const { report } = await runFork('workers', 'inLimbo', major, { kind: 'fork' });
        assert.deepEqual(report, { forked: true, reset: true, codes: everyCall('ERR_PRONGHORN_FORKED'), running: true });
      });
    }
  });
}
