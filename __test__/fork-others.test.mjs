// Forks that fail, children that stay native, daemons, and profilers that had failed or are replaced.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { long, majors, root } from './helpers/nodes.mjs';
import { has, readProfile } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

const EAGAIN = -11;
const SIGSYS = 31;

/** Locks of ours, by the failpoint at which a thread holds one. */
const LOCKS = {
  'recorder-lock': "the recorder's lock",
  'ticker-registration': 'the registration of threads',
  'ticker-names': 'the names of worker threads',
  symbolizer: 'the symbolizer',
};

for (const major of majors) {
  describe(`other forks, Node ${major}`, { concurrency: 2 }, () => {
    it(`forks that fail leave the parent sampling (Node ${major})`, async () => {
      const { report } = await runFork('others', 'failing', major);
      assert.equal(report.denied, 0, 'this system cannot refuse forks');
      assert.equal(report.errors.length, 90);
      assert.ok(
        report.errors.every((error) => error === EAGAIN),
        `${report.errors}`,
      );
      assert.equal(report.spawned, 'EAGAIN');
      assert.deepEqual([report.forked, report.generation, report.reset, report.late], [false, 0, false, 0]);
      // 300 ms of work among 90 failures.
      assert.ok(report.samples > 50, `${report.samples} samples`);
      assert.deepEqual(report.names, ['parentOnly']);
      assert.deepEqual(report.threads, [report.own]);
      assert.ok(report.cpu >= 300e6 * 0.97, `${report.cpu / 1e6} ms of cpu time in the profile`);
    });

    it(`a child that stays native writes nothing, sends and gets no signal, waits for no lock, and lives to its end (Node ${major})`, async () => {
      const { report } = await runFork('others', 'nativeOnly', major, { count: long ? 100 : 10 });
      assert.equal(report.statuses.length, long ? 300 : 30);
      assert.ok(
        report.statuses.every((status) => status === 0),
        `${report.statuses}`,
      );
      assert.deepEqual(report.names, ['parentOnly']);
      assert.equal(report.stats.forgedSignals, 0);
    });

    for (const [moment, words] of Object.entries(LOCKS)) {
      it(`a child that stays native does the same where another thread holds ${words} (Node ${major})`, async () => {
        const count = long ? 40 : 4;
        const { report } = await runFork('others', 'nativeOnlyHeld', major, { count, moment }, { failpoints: true });
        assert.deepEqual(report.held, Array(count).fill(true), 'the lock was held until the last child had ended');
        assert.equal(report.gaveUp, 0);
        assert.deepEqual(report.statuses, Array(3 * count).fill(0));
        assert.equal(report.stats.forgedSignals, 0);
      });
    }

    it(`a native child that writes, sends or waits is seen to do so (Node ${major})`, async () => {
      const { report } = await runFork('others', 'nativeOnlyBreaches', major);
      assert.deepEqual(report, [['watched', 0], ...['writes', 'sends', 'waits'].map((watch) => [watch, `ended with signal ${SIGSYS}`])]);
    });

    it(`a child that stays native dies of the signal that ends it, and writes no profile (Node ${major})`, async () => {
      const folder = scratch();
      const env = { PRONGHORN_OUTPUT_DIR: folder, PRONGHORN_INTERVAL_MICROS: '1000' };
      const { report } = await runFork('others', 'nativeOnlyTerminated', major, {}, { env, flags: ['--import', join(root, 'dist/register.js')] });
      assert.deepEqual(report.ends, [15, 15, 15, 2, 2, 2, 1, 1, 1].map((number) => [number, `ended with signal ${number}`]));
      const [name, ...others] = readdirSync(folder);
      assert.deepEqual(others, []);
      assert.match(name, new RegExp(`\\.${report.pid}\\.0\\.pb\\.gz$`));
      assert.ok(readProfile(join(folder, name)).samples.some(has('parentOnly')));
    });

    for (const kind of ['fork', '_Fork']) {
      it(`a daemon, whose parents end at once, is profiled: ${kind} (Node ${major})`, async () => {
        const run = await runFork('others', 'daemon', major, { kind }, { daemon: true });
        assert.equal(run.code, 0);
        const [daemon] = run.lines.filter((line) => line.kind === 'daemon').map((line) => line.value);
        assert.equal(daemon.result, 0);
        assert.ok(daemon.generation > daemon.before);
        for (const { names, threads, child } of [daemon.first, daemon.last].filter(Boolean)) {
          assert.deepEqual(names, ['childOnly']);
          assert.deepEqual(threads, [daemon.tid]);
          assert.ok(child > 0);
        }
        assert.equal(daemon.processId, daemon.pid);
        assert.ok(!run.lines.some((line) => line.kind === 'error'), JSON.stringify(run.lines));
      });
    }

    it(`what failed in the parent starts afresh in the child (Node ${major})`, async () => {
      const { report } = await runFork('others', 'failed', major);
      assert.equal(report.before, 'ERR_PRONGHORN_INTERNAL');
      assert.equal(report.still, report.before);
      assert.equal(report.child.failure, undefined);
      assert.deepEqual(report.child.names, ['childOnly']);
      assert.deepEqual(report.child.threads, [report.child.tid]);
    });

    it(`what failed in the parent is off in the child if afterFork is 'stop' (Node ${major})`, async () => {
      const { before, still, child } = (await runFork('others', 'failedAndStop', major)).report;
      assert.deepEqual([before, still], ['ERR_PRONGHORN_INTERNAL', before]);
      assert.ok(!('failure' in child), "the failure is the parent's");
      assert.deepEqual(child, {
        codes: ['ERR_PRONGHORN_NOT_STARTED', 'ERR_PRONGHORN_FORKED', 'ERR_PRONGHORN_FORKED'],
        heard: [{ name: 'fork:reset', restarted: false, reason: "the option afterFork is 'stop'" }],
        forked: false,
        names: ['childOnly'],
      });
    });

    it(`the child can stop what it has inherited and start another (Node ${major})`, async () => {
      const { report } = await runFork('others', 'instances', major);
      assert.deepEqual(report.child, { different: true, numbers: [0, 1, 2], names: [[], ['childOnly'], ['childOnly']], inOrder: true });
      assert.equal(report.running, true);
      assert.deepEqual(report.parent, ['parentOnly']);
    });
  });
}
