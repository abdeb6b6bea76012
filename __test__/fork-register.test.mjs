// register in programs that really fork: a child that the policy switches off has nothing of register's left in it, and one whose reset failed at a step of
// register's part is hooked up as its parent is, once.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { majors, root } from './helpers/nodes.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

/** Who handles SIGHUP, SIGINT and SIGTERM in a program that does not: Node resets the terminal. */
const WITHOUT_US = ['default', 'node', 'node'];

/** Runs a scenario under register; the files that it and its children have written, by process id. */
async function registered(scenario, major, settings = {}, extra = {}) {
  const folder = scratch();
  const env = { PRONGHORN_OUTPUT_DIR: folder, PRONGHORN_INTERVAL_MICROS: '1000', ...extra };
  const { report, stderr } = await runFork('register', scenario, major, settings, { env, flags: ['--import', join(root, 'dist/register.js')] });
  const files = Object.fromEntries(
    readdirSync(folder).map((name) => {
      const { samples } = readProfile(join(folder, name));
      const count = (of) => total(samples.filter(has(of)), 'count') > 0;
      return [Number(/^CPU\.\d{8}\.\d{6}\.(\d+)\.0\.pb\.gz$/.exec(name)?.[1]), { parent: count('parentOnly'), child: count('childOnly') }];
    }),
  );
  return { report, stderr, files };
}

for (const major of majors) {
  it(`PRONGHORN_AFTER_FORK=stop: a child writes nothing, and has no hook of ours in it (Node ${major})`, async () => {
    const { report, stderr, files } = await registered('stop', major, {}, { PRONGHORN_AFTER_FORK: 'stop' });
    const { parent, before, child, killed, after } = report;
    assert.ok(before.signals.every((name) => /^pronghorn.*\.node$/.test(name)), `${before.signals}`);
    assert.deepEqual(child.hooks, { exit: before.exit - 1, signals: WITHOUT_US });
    assert.deepEqual(child.resets, [{ restarted: false, reason: "the option afterFork is 'stop'" }]);
    assert.match(killed.status, /ended with signal 15/);
    assert.deepEqual(after, before, 'in the parent nothing changes');
    assert.deepEqual(files, { [parent]: { parent: true, child: false } });
    assert.equal(stderr, '');
  });

  it(`PRONGHORN_DURATION_MS: a child has a duration of its own, and none when the parent's is over (Node ${major})`, async () => {
    const { report, stderr, files } = await registered('duration', major, {}, { PRONGHORN_DURATION_MS: '2000' });
    const { parent, before, during, child, after, hooks } = report;
    assert.ok(during.tookMs > 1_800 && during.tookMs < 8_000, `${during.tookMs} ms`);
    const gone = { exit: before.exit - 1, signals: WITHOUT_US };
    assert.deepEqual([hooks, during.hooks, after.hooks], [gone, gone, gone]);
    assert.deepEqual(after.resets.filter(({ restarted }) => restarted), []);
    assert.deepEqual(files, { [parent]: { parent: true, child: false }, [child]: { parent: false, child: true } });
    assert.equal(stderr, '');
  });

  it(`a step of register's own part that fails is done again, and hooks nothing twice (Node ${major})`, async () => {
    const steps = ['hooks off: whole program', 'reset: whole program', 'start: whole program', 'start: profiler'];
    const { report, stderr, files } = await registered('failures', major, { steps });
    const { parent, before, children, after } = report;
    assert.deepEqual(children.map(({ step }) => step), steps);
    const expected = { [parent]: { parent: true, child: false } };
    for (const { step, pid, between, resets, hooks, killed } of children) {
      assert.deepEqual(resets.map(({ restarted }) => restarted), [false, true], step);
      assert.match(resets[0].reason, new RegExp(`a test makes "${step}" fail`));
      if (between !== undefined) assert.equal(between, before.exit - 1, `${step}: the exit listener of a failed attempt`);
      assert.deepEqual(hooks, before, step);
      assert.match(killed.status, /ended with signal 15/, step);
      for (const each of [pid, killed.pid]) expected[each] = { parent: false, child: true };
    }
    assert.deepEqual(after, before, 'in the parent nothing changes');
    assert.deepEqual(files, expected);
    // One line for each attempt that failed.
    assert.deepEqual([...stderr.matchAll(/a test makes "(.*)" fail/g)].map((match) => match[1]), steps.flatMap((step) => [step, step]));
  });
}
