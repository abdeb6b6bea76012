// Hooks around a fork, observed in the process itself: off before anything is reset, quiet in between, on again once, and off for good after a stop.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { failpointPackage } from './helpers/failpoint-package.mjs';
import { runFork } from './helpers/fork.mjs';
import { majors } from './helpers/nodes.mjs';
import { scratch } from './helpers/scratch.mjs';

const run = (scenario, major, settings = {}, options = {}) => runFork('hooks', scenario, major, settings, { failpoints: true, ...options });
const NOTHING = { handler: 0, collection: 0, poll: 0, call: 0, interrupt: 0 };

/** The hooks that are on, of those that a reset has to take off. */
function on({ faults, termination, collection, execve, exit, exec, workers, running }) {
  return { faults, termination: termination.toSorted((a, b) => a - b), collection, execve, exit, exec, workers, running };
}

for (const major of majors) {
  describe(`hooks around a fork, Node ${major}`, { concurrency: 2 }, () => {
    for (const register of [false, true]) {
      it(`all hooks are off before anything is reset, and all is reset before anything starts${register ? ', under register' : ''} (Node ${major})`, async () => {
        const env = { PRONGHORN_OUTPUT_DIR: scratch(), PRONGHORN_INTERVAL_MICROS: '1000' };
        const flags = register ? ['--import', join(await failpointPackage(), 'dist/register.js')] : [];
        const { report } = await run('order', major, { register }, { env, flags });
        const { order, seen } = report;
        const execve = major > 20;
        // Those of Node itself and of the test; register has one of its own.
        const others = report.parent.exit - (register ? 1 : 0);
        const off = { faults: false, termination: [], collection: 0, execve: false, exit: others, exec: false, workers: false, running: false };
        const termination = register ? [1, 2, 15] : [15];
        const all = { faults: true, termination, collection: 1, execve, exit: report.parent.exit, exec: register, workers: true, running: true };
        assert.deepEqual(on(report.parent), all);
        // The hooks have survived the fork; the gate is closed.
        assert.deepEqual(on(report.before), { ...all, running: false });
        assert.equal(report.before.forked, true);

        const rounds = ['hooks off', 'reset', 'start', 'started'];
        assert.deepEqual(
          seen.map(({ round, name }) => `${round}: ${name}`),
          rounds.flatMap((round) => order.map((name) => `${round}: ${name}`)),
        );
        const [hooksOff, reset, start] = rounds.map((round) => seen.filter((look) => look.round === round));
        const last = hooksOff.at(-1);
        assert.deepEqual(on(last), off);
        assert.ok(report.parent.buffered > 0 && report.before.buffered === 0, 'forks copy no buffers');
        assert.deepEqual([last.session, last.thread], [report.parent.session, false], 'nothing has been reset by then');
        for (const look of reset) assert.deepEqual(on(look), off, `during "reset: ${look.name}"`);
        const { buffered, ticker, thread, forked } = reset.at(-1);
        assert.deepEqual({ buffered, ticker, thread, forked }, { buffered: 0, ticker: false, thread: true, forked: true });
        assert.ok(reset.at(-1).session > report.parent.session);
        for (const look of start.slice(0, -1)) assert.deepEqual([look.running, look.ticker, look.collection], [false, false, 0], `during "start: ${look.name}"`);
        // The last of all makes the process its own.
        assert.deepEqual([start.at(-1).running, start.at(-1).forked], [true, false]);
        // What the program itself has armed for the end of its parent is not armed again.
        assert.deepEqual(on(report.after), register ? all : { ...all, termination: [] });
        assert.deepEqual(report.names, ['childOnly']);
        assert.deepEqual(on(report.still), on(report.parent), 'in the parent nothing changes');
      });
    }

    it(`between fork and reset nothing is recorded and no lock is taken, and the reset says for how long (Node ${major})`, async () => {
      const { report } = await run('limbo', major);
      assert.equal(report.gaveUp, 0);
      for (const { moment, counts, unprofiled, message, stats, names } of report.results) {
        assert.ok(counts.collection >= 20 && counts.handler >= 5, `hooks were provoked: ${JSON.stringify(counts)}`);
        assert.deepEqual(names, ['childOnly'], `what ran before the reset is in no profile (${moment})`);
        assert.ok(stats.samples <= 3 && stats.recorded <= 3, JSON.stringify(stats));
        assert.equal(stats.gcSamples, 0);
        const [said, least] = [BigInt(message.unprofiledNanos), BigInt(unprofiled)];
        assert.ok(said >= least && said < least + 2_000_000_000n, `${said} ns unprofiled, measured at least ${least}`);
        assert.equal(message.restarted, true);
      }
    });

    for (const afterFork of ['restart', 'stop']) {
      it(`after ${afterFork === 'stop' ? "a fork with afterFork: 'stop'" : 'stop()'} nothing of ours runs, and a late signal kills nobody (Node ${major})`, async () => {
        const { report } = await run('off', major, { afterFork });
        for (const process of [report.child, report.parent]) {
          const { counts, disposition, byHand, pending, running, ticker, hooked } = process;
          assert.deepEqual(counts, NOTHING);
          assert.match(disposition, /^pronghorn.*\.node$/, 'an empty handler stays');
          assert.ok(byHand >= 4, `${byHand} of 6 signals by hand`);
          assert.equal(pending, '0', 'a signal was sent by somebody');
          assert.deepEqual({ running, ticker, hooked }, { running: false, ticker: 0, hooked: false });
        }
      });
    }

    it(`nothing is enabled twice, three forks deep (Node ${major})`, async () => {
      const { report } = await run('once', major);
      const { parent, children } = report;
      assert.equal(children.length, 3);
      for (const measured of [parent, ...children]) assert.deepEqual([measured.minor, measured.major, measured.armed], [1, 1, 1]);
      for (const child of children) {
        assert.ok(child.poll >= 10 && child.poll < 20, `${child.poll} polls in ten turns`);
      }
    });
  });
}
