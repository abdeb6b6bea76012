// Threads that run without a break are sampled by their own CPU clocks, at the default interval, and our thread sleeps meanwhile; what else a thread does is seen as
// before.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';
import { TICKERS } from './helpers/open-files.mjs';
import { describe as describeStacks, has, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

/** Ticks that there would be in a window of 250 ms. */
const TICKS = 25;
/** What a machine with other work may take from a share. */
const SLACK = 0.25;

for (const major of majors) {
  describe(`alarms on Node ${major}`, () => {
    for (const what of ['burn', 'turns']) {
      it(`our thread sleeps while a thread computes (${what}, Node ${major})`, async (context) => {
        const { windows, profile, little, nowAndThen } = await runScenario('alarms', major, { what });
        const steady = windows.filter((window) => window.steady);
        // The first windows find a ticker that has not got to know the thread yet, and one that lost its processor for a moment ticks for some windows.
        const looks = Math.min(...steady.map((window) => window.looks));
        const sum = (key) => windows.reduce((all, window) => all + window[key], 0);
        const perSecond = sum('samples') / (sum('cpu') / 1000);
        context.diagnostic(`${looks} looks in 250 ms, ${perSecond.toFixed(1)} samples per second of CPU time, ${steady.length} of ${windows.length} windows steady`);
        assert.ok(perSecond > 100 * (1 - SLACK), `${perSecond} samples per second of CPU time`);

        const { samples } = readProfile(profile.file);
        const wallOf = (name) => total(samples.filter(has(name)), 'wall') / 1e6;
        const long = wallOf('waitForLong');
        assert.ok(long > 400 && long < 600, `${long} ms of the long wait:\n${describeStacks(samples, 'wall')}`);
        const [waited, repeated] = [wallOf('waitForLittle'), little / 1e6];
        // What runs for a moment behind the last one may count to it.
        assert.ok(waited > 0.5 * repeated && waited < repeated + 50, `${waited} ms of ${repeated} in little waits:\n${describeStacks(samples, 'wall')}`);

        // Long enough apart for an alarm that is only looked at now and then.
        const [seen, apart] = [wallOf('waitNowAndThen'), nowAndThen / 1e6];
        context.diagnostic(`${seen.toFixed(0)} ms of ${apart.toFixed(0)} in waits that lie far apart`);
        // Where other programs have the processors, fewer are seen; and what the thread waits for one behind a wait stands there too, a part of the 12 times 350 ms in between.
        const least = steady.length >= 6 ? 0.5 : 0.25;
        assert.ok(seen > least * apart && seen < apart + 0.3 * 12 * 350, `${seen} ms of ${apart} in waits that lie far apart:\n${describeStacks(samples, 'wall')}`);

        if (steady.length === 0) return context.skip('this machine has too much else to do: the thread never had a processor for itself');
        assert.ok(looks <= 0.4 * TICKS, `${looks} looks in the quietest of ${steady.length} windows`);
      });
    }

    it(`what the ticker has open to judge threads by is closed in a child, and at the end (Node ${major})`, async () => {
      const { report } = await runFork('alarms', 'files', major);
      assert.deepEqual(report.had, TICKERS);
      assert.deepEqual(report.child.inherited, TICKERS);
      assert.deepEqual(report.child.kept, []);
      assert.deepEqual(report.left, []);
    });

    it(`what the ticker has open to judge a worker by is closed when that has ended (Node ${major})`, async () => {
      const { had, left } = await runScenario('worker-files', major);
      assert.ok(had.length === 1 && had[0].endsWith('/schedstat'), `${had}`);
      assert.deepEqual(left, []);
    });

    it(`a thread that forks has its alarm back, and the child gets one of its own (Node ${major})`, async (context) => {
      const { report } = await runFork('alarms', 'forks', major);
      context.diagnostic(`parent ${report.parent.toFixed(1)} samples per second of CPU time, children ${report.children.map((child) => child.perSecond.toFixed(1)).join(', ')}`);
      assert.ok(report.parent > 100 * (1 - 2 * SLACK), `${report.parent} samples per second of CPU time in the parent`);
      for (const child of report.children) {
        assert.ok(child.perSecond > 100 * (1 - 2 * SLACK), `${child.perSecond} samples per second of CPU time in a child`);
        assert.equal(child.parent, 0, "nothing of the parent's");
      }
    });
  });
}
