// The ends of a program with exporters, at the worst moments: in the middle of a rotation, of a jitter, of a stop. Nothing is lost, and nothing half-written stays.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launch } from './helpers/child.mjs';
import { startMisbehaving } from './helpers/misbehaving.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

// By its own CPU time: on a machine that is busy otherwise it may get little of any span of time.
const BURN = `function burn(ms) { let x = 0; for (const end = process.cpuUsage().user + 1e3 * ms; process.cpuUsage().user < end;) for (let i = 0; i < 1e4; i++) x += i; return x; }
function early(ms) { return burn(ms); }
function late(ms) { return burn(ms); }
`;
const API = JSON.stringify(join(root, 'dist/index.js'));
const exported = /^CPU\.\d{8}\.\d{6}\.\d+\.\d+\.[0-9a-f]{8}\.pb\.gz$/;

/** Runs source text, under register unless `registered` is false, and gives all that is in its folder afterwards, whatever it is called. */
async function program(major, source, env, { deadlineMs = 40_000, registered = true } = {}) {
  const folder = scratch();
  const out = join(folder, 'profiles');
  mkdirSync(out);
  const app = join(folder, 'app.mjs');
  writeFileSync(app, `${BURN}\n${source}`);
  const args = !registered ? [app, out] : ['--import', join(root, 'dist/register.js'), app, out];
  const result = await launch(nodePath(major), args, { deadlineMs, env: { PRONGHORN_OUTPUT_DIR: out, PRONGHORN_INTERVAL_MICROS: '1000', ...env } }).done;
  assert.equal(result.timedOut, false, result.stderr);
  const names = readdirSync(out).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return { ...result, names, profiles: names.filter((name) => name.endsWith('.pb.gz')).map((name) => readProfile(join(out, name))) };
}

/** Milliseconds of CPU in a function, over all profiles. */
const timeIn = (profiles, name) => profiles.reduce((sum, profile) => sum + total(profile.samples.filter(has(name)), 'cpu'), 0) / 1e6;
const toServer = (server, more = {}) => ({ PRONGHORN_EXPORTERS: 'http', PRONGHORN_HTTP_URL: server.url, PRONGHORN_PERIOD_MS: '1000', ...more });
async function withServer(behaviours, run) {
  const server = await startMisbehaving(...behaviours);
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

for (const major of majors) {
  describe(`ends at bad moments, Node ${major}`, { concurrency: 2 }, () => {
    for (const [name, exit] of [
      ['at once', '() => process.exit(0)'],
      ['a moment later', 'async () => { await null; process.exit(0); }'],
    ]) {
      it(`a listener that ends the process ${name} takes no profile with it (Node ${major})`, async () => {
        const source = `const { subscribe } = await import('node:diagnostics_channel');
subscribe('pronghorn:profile', ${exit});
const timer = setInterval(() => early(20), 30);`;
        const continuous = await program(major, source, { PRONGHORN_EXPORTERS: 'file', PRONGHORN_PERIOD_MS: '1000' });
        assert.equal(continuous.code, 0, continuous.stderr);
        // That of the period, and the last one.
        assert.ok(continuous.names.length === 2 && continuous.names.every((file) => exported.test(file)), `${continuous.names.join()} ${continuous.stderr}`);
        assert.ok(timeIn(continuous.profiles, 'early') > 100, `${timeIn(continuous.profiles, 'early')} ms`);
        const limited = await program(major, source, { PRONGHORN_DURATION_MS: '500' });
        assert.deepEqual([limited.code, limited.names.length, limited.stderr], [0, 1, '']);
        assert.ok(timeIn(limited.profiles, 'early') > 50, `${timeIn(limited.profiles, 'early')} ms`);
      });
    }

    for (const end of ['process.exit()', "throw new Error('on purpose')"]) {
      it(`${end} while a rotation is under way: its period is in a file, and so is the last one (Node ${major})`, async () => {
        // register's own profiler, which this shares.
        const source = `const { start } = await import(${API});
const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'file', directory: process.argv[2] }], periodMs: 3_600_000 });
early(400);
profiler.rotate().catch(() => undefined);
late(50);
${end};`;
        const { names, profiles, stderr } = await program(major, source, { PRONGHORN_EXPORTERS: 'file', PRONGHORN_PERIOD_MS: '3600000' });
        assert.ok(names.length === 2 && names.every((name) => exported.test(name)), `${names.join()} ${stderr}`);
        assert.ok(timeIn(profiles, 'early') > 200, `${timeIn(profiles, 'early')} ms of 400`);
        assert.ok(!/^pronghorn: /m.test(stderr), stderr);
      });
    }

    it(`stopSync() in an exit handler delivers the rotation under way, too (Node ${major})`, async () => {
      const source = `const { start } = await import(${API});
const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'file', directory: process.argv[2] }], periodMs: 3_600_000 });
early(400);
profiler.rotate();
late(50);
process.on('exit', () => {
  const { sequence } = profiler.stopSync();
  const { rotations, lostPeriods, exporters: { file } } = profiler.stats();
  console.log(JSON.stringify([sequence, rotations, lostPeriods, file.exported, file.waiting]));
});
process.exit();`;
      const { stdout, names, profiles, stderr } = await program(major, source, {}, { registered: false });
      assert.equal(stdout, '[1,1,0,2,0]\n', stderr);
      assert.ok(names.length === 2 && names.every((name) => exported.test(name)), names.join());
      assert.ok(timeIn(profiles, 'early') > 200);
    });

    it(`without a file exporter the rotation under way becomes a file (Node ${major})`, () =>
      withServer([{ kind: 'hang' }], async (server) => {
        const source = `const { start } = await import(${API});
const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'http', url: process.env.PRONGHORN_HTTP_URL }], periodMs: 3_600_000 });
early(400);
profiler.rotate();
process.exit();`;
        const { names, profiles, stderr } = await program(major, source, toServer(server, { PRONGHORN_PERIOD_MS: '3600000' }));
        assert.equal(names.length, 2, names.join());
        assert.ok(timeIn(profiles, 'early') > 200);
        assert.match(stderr, /^pronghorn: the process ended before all profiles were sent to http; the last 2 are in /m);
      }));

    it(`process.exit() while a stop() is under way loses nothing (Node ${major})`, async () => {
      const source = `const { stop } = await import(${API});
early(400);
stop();
process.exit();`;
      const { names, profiles, stderr } = await program(major, source, { PRONGHORN_EXPORTERS: 'file' });
      assert.deepEqual([names.length, stderr], [1, '']);
      assert.match(names[0], exported);
      assert.ok(timeIn(profiles, 'early') > 200);
    });

    for (const [what, before] of [
      ['is made', ''],
      // Ten megabytes of lines to count before it.
      ['waits for its last slices', 'big(10);'],
    ]) {
      it(`a signal while the loop is blocked and the profile of a stop() ${what}: it is in a file (Node ${major})`, async () => {
        const source = `const { stop } = await import(${API});
const { runInThisContext } = await import('node:vm');
const big = runInThisContext('// a comment'.padEnd(99) + '\\n'.repeat(1e7) + '(function big(ms) { for (const end = performance.now() + ms; performance.now() < end;); })');
early(400);
${before}
stop();
process.kill(process.pid, 'SIGTERM');
late(5_000);`;
        const { names, profiles, signal, stderr } = await program(major, source, {});
        assert.deepEqual([signal, names.length, stderr], ['SIGTERM', 1, '']);
        assert.ok(timeIn(profiles, 'early') > 200, `${timeIn(profiles, 'early')} ms of 400`);
      });
    }

    it(`a signal right after a rotation: the file exporter has its profile already, however long servers are spared (Node ${major})`, async () => {
      const source = `import { subscribe } from 'node:diagnostics_channel';
const { start } = await import(${API});
Math.random = () => 0.99;
const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'file', directory: process.argv[2] }], periodMs: 1_000 });
subscribe('pronghorn:rotate', () => setImmediate(() => {
  const { waiting, exported } = profiler.stats().exporters.file;
  console.log('it has', waiting + exported);
}));
subscribe('pronghorn:export', ({ outcome }) => outcome === 'exported' && setImmediate(() => process.kill(process.pid, 'SIGTERM')));
early(400);
setInterval(() => {}, 1_000);`;
      const { names, profiles, signal, stdout } = await program(major, source, { PRONGHORN_EXPORTERS: 'file', PRONGHORN_PERIOD_MS: '1000' });
      assert.match(stdout, /^it has 1\n/, 'one turn of the loop after the rotation');
      assert.equal(signal, 'SIGTERM');
      assert.ok(names.some((name) => exported.test(name)), names.join());
      assert.ok(names.every((name) => name.endsWith('.pb.gz')), names.join());
      assert.ok(timeIn(profiles, 'early') > 200);
    });

    it(`a signal while a rotation is under way: its period is in a file beside the last one (Node ${major})`, () =>
      withServer([{ kind: 'hang' }], async (server) => {
        const source = `const { start } = await import(${API});
const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'http', url: process.env.PRONGHORN_HTTP_URL }], periodMs: 3_600_000 });
early(400);
profiler.rotate();
process.kill(process.pid, 'SIGTERM');
late(5_000);`;
        const { names, profiles, signal, stderr } = await program(major, source, toServer(server, { PRONGHORN_PERIOD_MS: '3600000' }));
        assert.equal(signal, 'SIGTERM');
        assert.ok(names.length === 2 && names.every((name) => /^CPU\.\d{8}\.\d{6}\.\d+\.[01]\.pb\.gz$/.test(name)), `${names.join()} ${stderr}`);
        assert.ok(timeIn(profiles, 'early') > 200, `${timeIn(profiles, 'early')}`);
      }));

    // Node 20 has no process.execve().
    const hasExecve = major > 20;
    if (hasExecve) it(`process.execve() during a jitter or a rotation: everything is in files (Node ${major})`, async () => {
      for (const exporter of ['file', 'server']) {
        await withServer([{ kind: 'hang' }], async (server) => {
          const source = `import { subscribe } from 'node:diagnostics_channel';
const { start } = await import(${API});
Math.random = () => 0.99;
const exporters = [${exporter === 'file'} ? { type: 'file', directory: process.argv[2] } : { type: 'http', url: process.env.PRONGHORN_HTTP_URL }];
const profiler = start({ intervalMicros: 1_000, exporters, periodMs: 1_000 });
early(300);
subscribe('pronghorn:rotate', ({ profile }) => profile.sequence === 0 && setTimeout(() => {
  late(200);
  profiler.rotate();
  process.execve(process.execPath, [process.execPath, '-e', '']);
}, 50));
setInterval(() => {}, 1_000);`;
          const env = exporter === 'file' ? { PRONGHORN_EXPORTERS: 'file', PRONGHORN_PERIOD_MS: '1000' } : toServer(server);
          const { code, names, profiles, stderr } = await program(major, source, env);
          assert.deepEqual([code, names.length], [0, 3], `${exporter}: ${names.join()} ${stderr}`);
          assert.ok(names.every((name) => name.endsWith('.pb.gz')), names.join());
          assert.ok(timeIn(profiles, 'early') > 200 && timeIn(profiles, 'late') > 130, `${timeIn(profiles, 'early')} ${timeIn(profiles, 'late')}`);
        });
      }
    });

    it(`an end leaves no temporary file, also with a profile that takes its time to be written (Node ${major})`, async () => {
      const big = `const functions = Array.from({ length: 3_000 }, (_, i) => new Function('n', \`let x = 0; for (let i = 0; i < n; i++) x += i * \${i}; return x; //# sourceURL=f\${i}\`));
for (const end = performance.now() + 400; performance.now() < end; ) for (const one of functions) one(300);
`;
      for (const end of ['process.exit();', ...(hasExecve ? ['process.execve(process.execPath, [process.execPath, "-e", ""]);'] : [])]) {
        for (let round = 0; round < 3; round++) {
          const { code, names } = await program(major, `${big}${end}`, { PRONGHORN_EXPORTERS: 'file' });
          assert.ok(code === 0 && names.length === 1 && exported.test(names[0]), `${end} ${code} ${names.join()}`);
        }
      }
    });

    it(`a clock that is set back by an hour: each period is as long as it was, and begins where the clock stands (Node ${major})`, async () => {
      const folder = scratch();
      const [source, library, flag] = ['clock.c', 'clock.so', 'back'].map((name) => join(folder, name));
      writeFileSync(source, `#define _GNU_SOURCE
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
  long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && clock == CLOCK_REALTIME && access("${flag}", F_OK) == 0) time->tv_sec -= 3600;
  return (int) result;
}
`);
      const made = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source], { encoding: 'utf8' });
      assert.equal(made.status, 0, made.stderr ?? String(made.error));
      const text = `import { writeFileSync } from 'node:fs';
const { start } = await import(${API});
const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'file', directory: process.argv[2], maxFiles: 2 }] });
const show = ({ startTimeNanos: start, endTimeNanos: end, sequence }) => console.log(JSON.stringify([sequence, Number(start / 1_000_000n) - Date.now(), Number(end - start) / 1e6]));
for (let period = 0; period < 4; period++) {
  if (period === 1) writeFileSync(${JSON.stringify(flag)}, '');
  burn(250);
  show(await profiler.rotate());
}
show(await profiler.stop());`;
      const { stdout, stderr, names } = await program(major, text, { LD_PRELOAD: library }, { registered: false });
      const lines = stdout.trim().split('\n').map((line) => JSON.parse(line));
      assert.equal(lines.length, 5, stderr);
      for (const [sequence, , length] of lines.slice(0, 4)) assert.ok(length >= 245, `period ${sequence} of 250 ms is ${length} ms long`);
      // Minutes from Node's own clock, which does not see it: the period in which it was set back has begun before.
      assert.equal(lines.map(([, offset]) => Math.abs(Math.round(offset / 60_000))).join(), '0,0,60,60,60', JSON.stringify(lines));
      assert.ok(names.length === 2 && names.every((name) => /\.[34]\.[0-9a-f]{8}\.pb\.gz$/.test(name)), names.join());
    });

    it(`an exporter of the application’s that resolves with nothing does not end the program (Node ${major})`, async () => {
      const source = `const { start } = await import(${API});
const profiler = start({ periodMs: 1_000, exporters: [{ name: 'mine', send: async () => {} }] });
for (const end = Date.now() + 20_000; profiler.stats().exporters.mine.exported === 0 && Date.now() < end; ) { burn(5); await new Promise((resolve) => setTimeout(resolve, 20)); }
const { exported, exportedBytes } = profiler.stats().exporters.mine;
console.log(exported, exportedBytes > 0);
await profiler.stop();`;
      const { code, stdout, stderr } = await program(major, source, {}, { registered: false });
      assert.deepEqual([code, stdout, stderr], [0, '1 true\n', '']);
    });
  });
}
