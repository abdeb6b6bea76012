// process.execve() under the profiler: the profile is written, the next program starts and lives, and a call that fails changes nothing.
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launch } from './helpers/child.mjs';
import { runFork } from './helpers/fork.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

/** How many times one process becomes the next program. */
const HOPS = process.env.PRONGHORN_TEST_LONG ? 200 : 20;
/** The same with worker threads, which take longer to start. */
const FEW = HOPS / 4;

const index = JSON.stringify(join(root, 'dist/index.js'));

/** Source text: a function that burns until samples of it have been taken, however busy the machine is with other things. */
const burn = `
  import { start } from ${index};
  function burn() {
    const profiler = start({ intervalMicros: 1_000 });
    const before = profiler.stats().samples;
    let x = 0;
    for (const end = performance.now() + 5_000; profiler.stats().samples < before + 5 && performance.now() < end; ) for (let i = 0; i < 1e5; i++) x += i;
    return x;
  }`;

/** Runs a program whose folder is its first argument. */
async function runs(major, source, flags = [], env = {}) {
  const out = scratch();
  const app = join(out, 'app.mjs');
  writeFileSync(app, source);
  const child = launch(nodePath(major), [...flags, app, out], { deadlineMs: 60_000, env: { PRONGHORN_OUTPUT_DIR: out, PRONGHORN_INTERVAL_MICROS: '1000', ...env } });
  const result = await child.done;
  const profiles = readdirSync(out).filter((name) => name.endsWith('.pb.gz')).sort().map((name) => Object.assign(readProfile(join(out, name)), { name }));
  return { ...result, profiles };
}

const cpuOf = (profile, name) => total(profile.samples.filter(has(name)), 'cpu') / 1e6;

for (const major of majors.filter((each) => each >= 22)) {
  describe(`process.execve on Node ${major}`, () => {
    it(`the next program starts and lives, ${HOPS} times over, and each leaves its profile (Node ${major})`, async () => {
      const register = join(root, 'dist/register.js');
      const { code, signal, stdout, stderr, profiles } = await runs(
        major,
        `${burn}
         const hop = Number(process.argv[3] ?? 0);
         burn();
         if (hop < ${HOPS}) process.execve(process.execPath, [process.execPath, '--no-warnings', '--import', ${JSON.stringify(register)}, process.argv[1], process.argv[2], String(hop + 1)], process.env);
         burn();
         console.log('alive', hop, process.pid);`,
        ['--no-warnings', '--import', register],
      );
      assert.deepEqual([code, signal, stderr], [0, null, '']);
      const [, pid] = /^alive \d+ (\d+)\n$/.exec(stdout) ?? [];
      assert.ok(profiles.every(({ name }) => name.includes(`.${pid}.`)), profiles.map(({ name }) => name).join());
      assert.equal(profiles.length, HOPS + 1);
      for (const profile of profiles) assert.ok(cpuOf(profile, 'burn') > 0, `${profile.name}: ${describeStacks(profile.samples, 'cpu')}`);
    });

    it(`a program that profiles itself gets its last period, in time to write it (Node ${major})`, async () => {
      const { code, stdout, stderr, profiles } = await runs(
        major,
        `import { subscribe } from 'node:diagnostics_channel';
         ${burn}
         start({ intervalMicros: 1_000 });
         subscribe('pronghorn:exec', ({ profile }) => profile.saveSync(process.argv[2] + '/last.pb.gz'));
         burn();
         process.execve(process.execPath, [process.execPath, '-p', '6 * 7'], process.env);`,
        ['--no-warnings'],
      );
      assert.deepEqual([code, stdout, stderr], [0, '42\n', '']);
      assert.equal(profiles.length, 1);
      assert.ok(cpuOf(profiles[0], 'burn') > 0, describeStacks(profiles[0].samples, 'cpu'));
    });

    it(`execve that was imported by its name delivers too (Node ${major})`, async () => {
      const { code, stdout, stderr, profiles } = await runs(
        major,
        `import { subscribe } from 'node:diagnostics_channel';
         import { execve, execPath } from 'node:process';
         ${burn}
         start({ intervalMicros: 1_000 });
         subscribe('pronghorn:exec', ({ profile }) => profile.saveSync(process.argv[2] + '/last.pb.gz'));
         burn();
         execve(execPath, [execPath, '-p', '6 * 7'], process.env);`,
        ['--no-warnings'],
      );
      assert.deepEqual([code, stdout, stderr], [0, '42\n', '']);
      assert.equal(profiles.length, 1);
      assert.ok(cpuOf(profiles[0], 'burn') > 0, describeStacks(profiles[0].samples, 'cpu'));
    });

    it(`busy worker threads, each with its own timer and signals, end with the program (Node ${major})`, async () => {
      const register = join(root, 'dist/register.js');
      const { code, signal, stdout, stderr, profiles } = await runs(
        major,
        `import { Worker } from 'node:worker_threads';
         ${burn}
         const hop = Number(process.argv[3] ?? 0);
         const busy = \`
           function inWorker() { let x = 0; for (let i = 0; i < 1e6; i++) x += i; return x; }
           inWorker();
           require('node:worker_threads').parentPort.postMessage('runs');
           for (;;) inWorker();\`;
         const workers = Array.from({ length: 2 }, () => new Worker(busy, { eval: true }));
         await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
         const seen = () => start({ intervalMicros: 1_000 }).stats().samples;
         // Most samples are the workers', by now.
         for (const [first, end] = [seen(), performance.now() + 5_000]; seen() < first + 30 && performance.now() < end; ) burn();
         if (hop < ${FEW}) process.execve(process.execPath, [process.execPath, '--no-warnings', '--import', ${JSON.stringify(register)}, process.argv[1], process.argv[2], String(hop + 1)], process.env);
         console.log('alive', hop);
         process.exit(0);`,
        ['--no-warnings', '--import', register],
      );
      assert.deepEqual([code, signal, stdout, stderr], [0, null, `alive ${FEW}\n`, '']);
      assert.equal(profiles.length, FEW + 1);
      for (const profile of profiles) assert.ok(cpuOf(profile, 'burn') > 0, `${profile.name}: ${describeStacks(profile.samples, 'cpu')}`);
      assert.ok(profiles.every((profile) => cpuOf(profile, 'inWorker') > 0), 'the workers are in the profiles that were written before the hops');
    });

    for (const kind of ['fork', '_Fork']) {
      it(`a child of ${kind} becomes another program after its reset, and delivers what it has done itself (Node ${major})`, async () => {
        const { report, out } = await runFork('exec', 'child', major, { kind });
        assert.deepEqual([report.status, report.alive], [0, 'another program']);
        const last = readProfile(join(out, 'child.pb.gz'));
        assert.deepEqual([total(last.samples.filter(has('childOnly')), 'count') > 0, total(last.samples.filter(has('parentOnly')), 'count')], [true, 0]);
        assert.deepEqual(report.parent, ['parentOnly']);
      });
    }

    // Before Node 26 a call that the kernel refuses ends the process; arguments that make no sense throw everywhere.
    const wrong = major >= 26 ? "'/nowhere', ['nowhere'], {}" : "42";
    it(`if it throws, the profile goes on (Node ${major})`, async () => {
      const { code, stderr, profiles } = await runs(
        major,
        `import { subscribe } from 'node:diagnostics_channel';
         import { stop } from ${index};
         ${burn}
         function untilThen() { burn(); }
         function fromThen() { burn(); }
         const original = process.execve;
         start({ intervalMicros: 1_000 });
         subscribe('pronghorn:exec', ({ profile }) => profile.saveSync(process.argv[2] + '/1.pb.gz'));
         untilThen();
         try { process.execve(${wrong}); } catch (error) { if (!error.code) throw error; }
         fromThen();
         (await stop()).saveSync(process.argv[2] + '/2.pb.gz');
         if (process.execve !== original) process.exitCode = 3;`,
        ['--no-warnings'],
      );
      assert.deepEqual([code, stderr], [0, '']);
      const [first, second] = profiles;
      assert.ok(cpuOf(first, 'untilThen') > 0 && cpuOf(first, 'fromThen') === 0, describeStacks(first.samples, 'cpu'));
      assert.ok(cpuOf(second, 'fromThen') > 0 && cpuOf(second, 'untilThen') === 0, describeStacks(second.samples, 'cpu'));
    });
  });
}
