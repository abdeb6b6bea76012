// Forks at the worst moments, each reached by a failpoint: no child hangs or crashes, all are profiled, and so is the parent. scenarios/fork-moments.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { long, majors } from './helpers/nodes.mjs';
import { has, readProfile } from './helpers/pprof.mjs';

const COUNT = long ? 200 : 20;

/** Where one thread is held for all forks of a process: a failpoint lets go after ten seconds. */
const HELD_COUNT = 20;

const run = (scenario, major, settings, options = {}) =>
  runFork('moments', scenario, major, { count: COUNT, ...settings }, { failpoints: true, deadlineMs: long ? 240_000 : 60_000, ...options });

/** The child runs its own profile, and shows itself alone; the parent goes on. */
function checkFork(fork) {
  const { restarted, forked, names, own, sequence } = fork;
  assert.deepEqual({ restarted, forked, names, own, sequence }, { restarted: true, forked: false, names: ['childOnly'], own: true, sequence: 0 }, JSON.stringify(fork));
  checkParentsPart(fork);
}

function checkParentsPart({ delivered, sampledOn }) {
  assert.ok(delivered, "the parent's rotation delivers");
  assert.ok(sampledOn > 0, 'the parent is sampled after the fork');
}

/**
 * All forks of a run. On a busy machine the ticker may lose its turn for a millisecond inside a section: that fork is late, which is allowed and
 * counted, and its child says so. `most` of them may be.
 */
function checkForks(result, most = Math.ceil(0.1 * COUNT), mayDrop = false) {
  const { results } = result.report;
  const late = results.filter((fork) => !fork.restarted);
  for (const fork of late) checkLate(fork);
  for (const fork of results) if (fork.restarted) checkFork(fork);
  assert.ok(late.length <= most, `${late.length} of ${COUNT} forks were late`);
  checkEnd(result, late.filter((fork) => fork.kind === 'fork').length, mayDrop);
}

function checkLate(fork) {
  assert.equal(fork.restarted, false, JSON.stringify(fork));
  assert.equal(fork.forked, false);
  assert.match(fork.why, /^ERR_PRONGHORN_FORKED: nothing can be profiled in this forked process: .*native thread/);
  checkParentsPart(fork);
}

/** In all, too, the parent has lost nothing. */
function checkEnd({ report }, late, mayDrop = false) {
  assert.equal(report.results.length, COUNT);
  assert.equal(report.gaveUp, 0, 'a held thread was not released');
  const { stats, last } = report;
  assert.equal(stats.droppedByRecorder + stats.failedSerializations, 0);
  // What fills the buffer in a hurry, so that the ticker has to ask for it, may fill it up.
  assert.ok(stats.droppedSamples <= (mayDrop ? 0.05 * stats.samples : 0), `${stats.droppedSamples} of ${stats.samples} samples dropped`);
  assert.equal(stats.lateForks, late);
  assert.ok(!last.names.includes('childOnly'), "a child's name in the parent's profile");
}

const MOMENTS = {
  'slot one active': 'slot one is active',
  'slot two active': 'slot two is active',
  'mid-flip': 'both slots are open',
  'mid-ready': 'the inactive slot has its fresh data',
  'mid-serialize': 'a profile is being encoded',
  rotation: 'a rotation is under way',
  symbolizer: 'the symbolizer is held',
  'recorder-lock': "another thread is inside the recorder's lock",
  'ticker-parking': 'the ticker is about to park',
  'ticker-names': 'the ticker holds the names of worker threads',
  'mid-sample': 'inside our signal handler',
  'mid-drain': 'a thread reads its samples',
  gc: "inside our garbage collection hook",
  'gc prologue': 'before a garbage collection',
  'gc epilogue': 'after a garbage collection',
};

for (const major of majors) {
  describe(`forks at the worst moments, Node ${major}`, { concurrency: 2 }, () => {
    for (const [moment, words] of Object.entries(MOMENTS)) {
      it(`${COUNT} forks while ${words} (Node ${major})`, async () => {
        checkForks(await run('fork', major, { moment }));
      });
    }

    for (const [moment, words] of [
      ['ticker-registration', 'the registration of threads'],
      ['ticker-v8', 'its way into V8'],
      ['ticker-images', "its way into the dynamic linker"],
      ['linker', "the dynamic linker's lock"],
      ['ticker-tasks', 'the folder of the threads'],
    ]) {
      // This one the main thread's JavaScript would have to let go, and it waits for that lock.
      if (moment !== 'linker') it(`${COUNT} forks wait for the ticker, which holds ${words} and lets go (Node ${major})`, async () => {
        const result = await run('fork', major, { moment, released: true });
        // Waking the ticker takes a part of the millisecond that a fork waits, on a slow machine more than that for half of them. If none waited, all were late.
        checkForks(result, 0.9 * COUNT, true);
      });

      for (const kind of ['fork', '_Fork', 'clone']) {
        const handlers = kind === 'fork';
        const how = handlers ? 'past their patience' : `by ${kind}, which waits for nobody`;
        it(`${COUNT} forks ${how}, while the ticker holds ${words}: the child stays off and says why (Node ${major})`, async () => {
          const result = await run('fork', major, { moment, kinds: [kind] });
          for (const fork of result.report.results) checkLate(fork);
          checkEnd(result, handlers ? COUNT : 0, true);
        });
      }
    }

    it(`${COUNT} forks past their patience, inside of which the ticker may enter the dynamic linker: it leaves its lock alone (Node ${major})`, async () => {
      const result = await run('fork', major, { moment: 'before the linker', kinds: ['fork'], forkHandlers: true });
      for (const fork of result.report.results) checkLate(fork);
      checkEnd(result, COUNT, true);
      assert.equal(result.report.noted, 0, 'the ticker was inside the dynamic linker at a fork');
    });

    it(`${COUNT} forks while files are open, that of symbols and those of the ticker: no child keeps them (Node ${major})`, async () => {
      for (let done = 0; done < COUNT; done += HELD_COUNT) {
        const { report } = await run('symbols', major, { moment: 'symbol-file', count: HELD_COUNT });
        assert.equal(report.results.length, HELD_COUNT);
        assert.equal(report.gaveUp, 0);
        for (const fork of report.results) {
          checkFork(fork);
          const tickers = fork.inherited.filter((file) => /^\/proc\/\d+\/task(\/\d+\/schedstat)?$/.test(file));
          assert.ok(tickers.some((file) => file.endsWith('/task')), `${fork.inherited}`);
          assert.equal(fork.inherited.length - tickers.length, 1, `${fork.inherited}`);
          assert.deepEqual(fork.open, []);
        }
        assert.deepEqual(report.names, ['parentOnly']);
        assert.deepEqual(report.open, []);
      }
    });

    it(`${COUNT} forks while a signal ends the process (Node ${major})`, async () => {
      for (let done = 0; done < COUNT; done += HELD_COUNT) {
        const { report } = await run('watcher', major, { moment: 'watcher', count: HELD_COUNT }, { expected: ({ signal }) => signal === 'SIGTERM' });
        assert.equal(report.results.length, HELD_COUNT);
        assert.equal(report.gaveUp, 0);
        for (const fork of report.results) checkFork(fork);
        assert.ok(readProfile(readFileSync(report.path)).samples.some(has('parentOnly')), "the parent's last profile");
      }
    });

    for (const moment of ['mid-flip', 'mid-sample', 'gc']) {
      it(`${COUNT} forks with physical frames alone while ${MOMENTS[moment]} (Node ${major})`, async () => {
        checkForks(await run('fork', major, { moment, v8Version: [99, 9] }));
      });
    }
  });
}
