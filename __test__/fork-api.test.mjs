// What the package does in a child of a real fork: the steps of the chain in their order, what is published, what each call answers, and the files
// of register. That the profiles are right is the business of the other tests of forks.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ORDER } from '../build/lib/fork/component.js';
import { runFork } from './helpers/fork.mjs';
import { majors, root } from './helpers/nodes.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

const FORKED = 'ERR_PRONGHORN_FORKED';
const NOT_STARTED = 'ERR_PRONGHORN_NOT_STARTED';
const debugging = { env: { NODE_DEBUG: 'pronghorn' } };

/** The steps that the debug lines of one process name. */
const stepsOf = (stderr, pid, generation) =>
  [...stderr.matchAll(new RegExp(`^PRONGHORN \\d+: pid ${pid}, generation ${generation}: (.*)$`, 'gm'))].map((match) => match[1]);

/** What is there only where profiles are exported: fork-export.test.mjs. */
const WITH_EXPORTERS = ['uploads', 'queues', 'scheduler'];

/** Of a program that runs what is always there. */
const round = (name, without = ['whole program', ...WITH_EXPORTERS]) => ORDER.filter((component) => !without.includes(component)).map((component) => `${name}: ${component}`);

for (const major of majors) {
  it(`the child is reset in order, says each step, and goes on as a process of its own (Node ${major})`, async () => {
    const { report, stderr } = await runFork('api', 'restart', major, {}, debugging);
    const { before, child, last, pid } = report;
    assert.deepEqual(stepsOf(stderr, child.pid, 1), [...round('hooks off'), ...round('reset'), 'start: execve', 'start: profiler', 'profiling']);
    assert.deepEqual(stepsOf(stderr, pid, 0), []);
    assert.deepEqual(child.heard.map(({ name }) => name), ['start', 'fork:reset', 'rotate']);
    const { unprofiledNanos, ...reset } = child.heard[1];
    assert.deepEqual(reset, { name: 'fork:reset', generation: 1, pid: child.pid, parentPid: pid, restarted: true });
    assert.ok(Number(unprofiledNanos) > 0 && Number(unprofiledNanos) < 5e9, unprofiledNanos);
    assert.ok(child.same);
    assert.deepEqual([before.processId, before.sequence, last.origin.sequence], [pid, 0, 1]);
    assert.deepEqual([child.origin.processId, child.origin.sequence], [child.pid, 0]);
    assert.equal(last.origin.runtimeId, before.runtimeId);
    assert.ok(child.comments.includes(`runtime id ${child.origin.runtimeId}`) && child.comments.includes(`parent runtime id ${before.runtimeId}`));
    assert.deepEqual([child.parent, last.child, child.threads], [0, 0, [child.pid]]);
    assert.ok(child.child > 0 && last.parent > 0);
  });

  it(`a rotation and a stop that still resolve samples reject in the child, and lose nothing in the parent (Node ${major})`, async () => {
    const { report } = await runFork('api', 'slices', major);
    for (const { unfinishedResolves, child, hot, lines } of report) {
      assert.ok(unfinishedResolves > 0, 'there is something left at the fork');
      assert.equal(child.parents, FORKED);
      assert.ok(hot > 0);
      assert.deepEqual(lines, ['130001:130001']);
    }
    const [{ child }] = report;
    assert.ok(child.child > 0 && child.parent === 0, 'the child has its own samples only');
  });

  it(`each call resets first and then works in the child (Node ${major})`, async () => {
    const { report } = await runFork('api', 'calls', major);
    assert.deepEqual(report, {
      resetAfterFork: 'true,false',
      stats: 'number',
      capabilities: true,
      start: true,
      'other start': 'ERR_PRONGHORN_ALREADY_STARTED',
      profile: 'ERR_PRONGHORN_ALREADY_STARTED',
      rotate: true,
      stop: true,
      stopSync: 0,
      parent: false,
    });
  });

  it(`afterFork: 'stop' leaves the child off, until it starts the profiler itself (Node ${major})`, async () => {
    const { child, parent } = (await runFork('api', 'policyStop', major)).report;
    assert.deepEqual(child.off, [NOT_STARTED, FORKED, FORKED]);
    assert.ok(child.child > 0 && child.parent === 0 && parent.parent > 0 && parent.child === 0);
  });

  it(`what was stopped in the parent stays stopped (Node ${major})`, async () => {
    const { report } = await runFork('api', 'stoppedInParent', major);
    assert.deepEqual(report.off, [NOT_STARTED, true]);
    assert.ok(report.child > 0 && report.parent === 0);
  });

  it(`promises that are pending reject in the child and settle in the parent (Node ${major})`, async () => {
    const { report } = await runFork('api', 'pending', major);
    assert.deepEqual(report, {
      rotation: [FORKED, 0],
      stop: [FORKED, FORKED, NOT_STARTED],
      profile: [FORKED, NOT_STARTED],
      parent: [true, true, true],
    });
  });

  it(`a full thread pool keeps neither process from its profile, and what the parent waited for keeps no child alive (Node ${major})`, async () => {
    const { report } = await runFork('api', 'pool', major, {}, { env: { UV_THREADPOOL_SIZE: '1' } });
    assert.deepEqual(report, {
      rotated: true,
      whileFull: { inherited: FORKED, parent: 0, own: true },
      atEnd: { inherited: FORKED, ends: true },
    });
  });

  it(`an encoding that is pending rejects in the child, which can encode itself, and settles in the parent (Node ${major})`, async () => {
    const { report } = await runFork('api', 'encoding', major);
    assert.deepEqual(report, { child: { codes: [FORKED], own: true }, parent: true });
  });

  it(`a file that is being written is the parent's (Node ${major})`, async () => {
    const { child, size, left } = (await runFork('api', 'saving', major)).report;
    assert.deepEqual(child, { code: FORKED, open: 0, untouched: true });
    assert.equal(size, 64 << 20);
    assert.equal(left, undefined);
  });

  it(`a child forked by one that is to wait before it tries again does not wait (Node ${major})`, async () => {
    const { report } = await runFork('api', 'failuresBelow', major);
    const limbo = { forked: true, generation: 1 };
    assert.deepEqual(report, { failed: 3, ...limbo, below: { forked: false, generation: 1, names: true } });
  });

  it(`a step that fails leaves the profiler off, and the loop tries again (Node ${major})`, async () => {
    const steps = ['hooks off: collector', 'reset: recorder', 'reset: identity', 'reset: promises', 'start: profiler'];
    const { report } = await runFork('api', 'failures', major, { steps });
    for (const step of steps) {
      const { told, child, parent } = report[step];
      assert.deepEqual(told, [`error ${FORKED}`, 'fork:reset false', 'fork:reset true'], step);
      assert.ok(child > 0 && parent === 0, `${step}: ${child} samples of the child, ${parent} of the parent`);
    }
  });

  it(`forks of forks know their family (Node ${major})`, async () => {
    const { report } = await runFork('api', 'nested', major);
    const ids = report.map(({ runtimeId }) => runtimeId);
    assert.equal(new Set(ids).size, 4);
    for (const [depth, each] of report.entries()) {
      assert.equal(each.sequence, 0);
      if (depth === 0) continue;
      assert.equal(each.processId, each.pid);
      assert.deepEqual(each.comments.slice(1), [`runtime id ${ids[depth]}`, `parent runtime id ${ids[depth - 1]}`, `root runtime id ${ids[0]}`]);
    }
  });

  it(`under register each process writes its own file, however it ends (Node ${major})`, async () => {
    const folder = scratch();
    const env = { ...debugging.env, PRONGHORN_OUTPUT_DIR: folder, PRONGHORN_INTERVAL_MICROS: '1000' };
    const { report, stderr } = await runFork('api', 'register', major, {}, { env, flags: ['--import', join(root, 'dist/register.js')] });
    const { parent, normal, early, killed, status } = report;
    assert.match(status, /ended with signal 15/);
    assert.deepEqual(stepsOf(stderr, normal, 1), [...round('hooks off', WITH_EXPORTERS), ...round('reset', WITH_EXPORTERS), 'start: execve', 'start: whole program', 'start: profiler', 'profiling']);
    // One that ended before its loop turned was never sampled.
    assert.deepEqual(stepsOf(stderr, early, 1), []);
    const pids = readdirSync(folder).map((name) => Number(/^CPU\.\d{8}\.\d{6}\.(\d+)\.0\.pb\.gz$/.exec(name)?.[1]));
    assert.deepEqual(pids.toSorted((a, b) => a - b), [parent, normal, killed].toSorted((a, b) => a - b));
    for (const name of readdirSync(folder)) {
      const pid = Number(name.split('.')[3]);
      const { samples } = readProfile(join(folder, name));
      const count = (of) => total(samples.filter(has(of)), 'count');
      assert.deepEqual([count('parentOnly') > 0, count('childOnly') > 0], [pid === parent, pid !== parent], name);
      assert.deepEqual([...new Set(samples.map(({ labels }) => Number(labels['process id'])))], [pid]);
    }
  });

  it(`nothing works in the child of a thread's fork, and nothing hangs (Node ${major})`, async () => {
    const { status, codes, parent } = (await runFork('api', 'worker', major)).report;
    assert.equal(status, 0);
    assert.deepEqual(codes, Array(4).fill('ERR_PRONGHORN_FORKED_IN_WORKER'));
    assert.ok(parent > 0);
  });
}
