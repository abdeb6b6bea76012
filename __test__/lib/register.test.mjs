// `--import pronghorn/register` where the program does something unusual: stops the profiler itself, takes its folder away, or starts workers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { majors, nodePath, root } from '../helpers/nodes.mjs';
import { readProfile } from '../helpers/pprof.mjs';

/** Runs source text under register. @returns what it printed, and the profiles of its folder */
function underRegister(t, major, source, { prepare } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-register-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const app = join(directory, 'app.mjs');
  const output = join(directory, 'profiles');
  writeFileSync(app, source);
  prepare?.({ directory, output });
  const env = { ...process.env, PRONGHORN_OUTPUT_DIR: output, PRONGHORN_INTERVAL_MICROS: '1000', TMPDIR: join(directory, 'tmp') };
  const result = spawnSync(nodePath(major), ['--import', join(root, 'dist/register.js'), app], { env, encoding: 'utf8', timeout: 30_000 });
  const files = (path) => {
    try {
      return readdirSync(path).filter((name) => name.endsWith('.pb.gz')).map((name) => join(path, name));
    } catch {
      return [];
    }
  };
  return { ...result, profiles: files(output), elsewhere: files(join(directory, 'tmp')) };
}

const burn = `function burn(ms) { const end = performance.now() + ms; let x = 0; while (performance.now() < end) for (let i = 0; i < 1e4; i++) x += i; return x; }`;

for (const major of majors) {
  test(`a worker that inherits register takes part under its own name (Node ${major})`, (t) => {
    const { status, stderr, profiles } = underRegister(
      t,
      major,
      `import { isMainThread, Worker } from 'node:worker_threads'; ${burn}
       if (isMainThread) { new Worker(new URL(import.meta.url), { name: 'cruncher' }); burn(300); } else burn(600);`,
    );
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(profiles.length, 1);
    const { samples } = readProfile(profiles[0]);
    const cpu = (name) => samples.filter((sample) => sample.threadName === name).reduce((sum, sample) => sum + sample.cpu, 0) / 1e6;
    const names = [...new Set(samples.map((sample) => sample.threadName))];
    const worker = names.find((name) => name !== 'main');
    assert.ok(worker === 'cruncher' || /^worker \d+$/.test(worker), names.join());
    // Two threads may share one core here.
    assert.ok(cpu('main') > 40 && cpu(worker) > 40, `main ${cpu('main')} ms, ${worker} ${cpu(worker)} ms`);
  });

  test(`a program that stops the profiler itself has the profile, and one line says that no file is written (Node ${major})`, (t) => {
    const { status, stderr, stdout, profiles } = underRegister(
      t,
      major,
      `import { stop } from ${JSON.stringify(join(root, 'dist/index.js'))}; ${burn} burn(50); console.log((await stop()).data.length > 100); process.exitCode = 4;`,
    );
    assert.deepEqual([status, stdout], [4, 'true\n']);
    assert.equal(stderr, 'pronghorn: the program has stopped the profiler itself, so there is no profile to write\n');
    assert.deepEqual(profiles, []);
  });

  test(`a folder that has gone is made again, and where that cannot be the profile goes to the temporary folder (Node ${major})`, (t) => {
    const again = underRegister(t, major, `import { rmSync } from 'node:fs'; ${burn} burn(50); rmSync(process.env.PRONGHORN_OUTPUT_DIR, { recursive: true });`);
    assert.deepEqual([again.status, again.stderr, again.profiles.length], [0, '', 1]);
    const blocked = underRegister(
      t,
      major,
      `import { rmSync, writeFileSync } from 'node:fs'; ${burn} burn(50); const d = process.env.PRONGHORN_OUTPUT_DIR; rmSync(d, { recursive: true }); writeFileSync(d, '');`,
    );
    assert.equal(blocked.status, 0);
    assert.match(blocked.stderr, /^pronghorn: the profile could not be written to .*; it is in .*\.pb\.gz\n$/);
    assert.equal(blocked.elsewhere.length, 1);
    assert.ok(readProfile(blocked.elsewhere[0]).samples.length > 0);
  });
}
