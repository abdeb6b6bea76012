// When a child of a fork is noticed to be one, and how long ago it says the fork was. scenarios/fork-detection.mjs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';

/** Without handlers the fork's time is the process's start by the kernel's word, in hundredths of a second, rounded down. */
const GRAIN_NANOS = { fork: 0n, _Fork: 10_000_000n, clone: 10_000_000n };

for (const major of majors) {
  describe(`noticing a fork, Node ${major}`, { concurrency: 2 }, () => {
    for (const kind of ['fork', '_Fork', 'clone']) {
      it(`the child is reset before its loop first polls: ${kind} (Node ${major})`, async () => {
        const { report } = await runFork('detection', 'beforeFirstPoll', major, { kind });
        assert.deepEqual(report, { atFork: true, atData: ['ready', false, 1], names: ['childOnly'] });
      });

      it(`so it is where a listener forks, called right before the loop polls: ${kind} (Node ${major})`, async () => {
        const { report } = await runFork('detection', 'inListener', major, { kind });
        assert.deepEqual(report, { atFork: true, atData: ['ready', false, 1], names: ['childOnly'] });
      });

      it(`so it is where a listener forks that a child's own reset calls: ${kind} (Node ${major})`, async () => {
        const asEver = { atFork: true, atData: ['ready', false, 1] };
        // The second fork comes right after a start, when the ticker has much to look at: one without handlers does not wait for it, and is late now and then. That
        // child is reset in time, too, but nothing starts in it.
        for (let tries = 1; ; tries++) {
          const { report } = await runFork('detection', 'inReset', major, { kind });
          const late = report.late === true || report.grandchild.late === true;
          if (late && tries < 8) {
            if (report.grandchild !== undefined) assert.deepEqual(report.grandchild, { late, ...asEver });
            continue;
          }
          assert.deepEqual(report, { heard: [], names: ['childOnly'], grandchild: { ...asEver, names: ['childOnly'] } });
          break;
        }
      });

      it(`the reset says how long nothing was sampled: ${kind} (Node ${major})`, async () => {
        const { report } = await runFork('detection', 'unprofiled', major, { kind });
        assert.equal(report.length, 4);
        for (const { said, least, most } of report) {
          const [value, from, to] = [said, least, most].map(BigInt);
          assert.ok(value >= from && value <= to + GRAIN_NANOS[kind], `${value} ns, measured ${from} to ${to} ns`);
        }
      });
    }
  });
}
