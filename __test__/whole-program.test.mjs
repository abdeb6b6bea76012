// Whole programs: `node --import pronghorn/register app.js` and `pronghorn run -- app.js`. The program ends as it would have
// ended without us, and its profile is there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launch, run, sleep } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

const app = join(root, '__test__/apps/app.cjs');
const cli = join(root, 'dist/cli.js');
const canUnshare = spawnSync('unshare', ['-pf', '--kill-child', 'true']).status === 0;

/** The two ways to start a program; `run` is one process more. */
const ways = {
  register: (major, mode, args) => [nodePath(major), ['--import', 'pronghorn/register', app, mode, ...args]],
  run: (major, mode, args) => [nodePath(major), [cli, 'run', '--', app, mode, ...args]],
};

function started(way, major, mode, { args = [], env = {}, ...options } = {}) {
  const out = scratch();
  const [command, all] = ways[way](major, mode, args);
  const child = launch(command, all, { deadlineMs: 20_000, env: { PRONGHORN_OUTPUT_DIR: out, ...env }, ...options });
  child.out = out;
  return child;
}

const filesIn = (folder) => readdirSync(folder);

/** The one profile of a folder, with nothing else lying beside it. */
function onlyProfile(folder) {
  const files = filesIn(folder);
  assert.equal(files.length, 1, `files: ${files}`);
  assert.match(files[0], /^CPU\.\d{8}\.\d{6}\.\d+\.\d+\.pb\.gz$/);
  return readProfile(join(folder, files[0]));
}

function holds(profile, name, value = 'cpu', part = 0.5) {
  const found = share(profile.samples, value, has(name));
  assert.ok(found > part, `${name} holds ${(100 * found).toFixed(1)}%:\n${describeStacks(profile.samples, value)}`);
}

for (const major of majors) {
  for (const way of Object.keys(ways)) {
    describe(`${way} on Node ${major}`, { concurrency: 2 }, () => {
      for (const [mode, code] of [
        ['normal', 0],
        ['exit3', 3],
        ['exitCode', 4],
        ['throws', 1],
        ['rejects', 1],
      ]) {
        it(`${mode} keeps its exit code and leaves a profile (${way}, Node ${major})`, async () => {
          const child = started(way, major, mode);
          const result = await child.done;
          assert.equal(result.code, code, result.stderr);
          if (mode === 'throws' || mode === 'rejects') assert.match(result.stderr, /TypeError: (thrown|rejected) on purpose/);
          if (mode === 'normal') assert.match(result.stdout, /LISTENERS 0,0,0/);
          holds(onlyProfile(child.out), 'busyLoop');
        });
      }

      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
        for (const mode of ['busy', 'execSync', 'syncEnd', 'idle']) {
          // All signals on the hardest program; one on the others.
          if (mode !== 'busy' && signal !== 'SIGTERM') continue;
          it(`${signal} ends ${mode} within a second, by that signal, with a profile (${way}, Node ${major})`, async () => {
            const child = started(way, major, mode);
            await child.waitFor('READY 0,0,0');
            const sent = performance.now();
            process.kill(child.pid, signal);
            const result = await child.done;
            const took = child.exitedAt - sent;
            assert.equal(result.signal, signal, `code ${result.code}\n${result.stderr}`);
            assert.ok(took < (mode === 'syncEnd' ? 2000 : 1500), `took ${took.toFixed(0)} ms`);
            holds(onlyProfile(child.out), 'busyLoop');
          });
        }
      }

      it(`a listener that the program adds later takes over (${way}, Node ${major})`, async () => {
        const child = started(way, major, 'listener');
        await child.waitFor('READY 0,1,0');
        process.kill(child.pid, 'SIGTERM');
        const result = await child.done;
        assert.equal(result.code, 9);
        assert.match(result.stdout, /HANDLED/);
        holds(onlyProfile(child.out), 'busyLoop');
      });

      it(`stdin and arguments pass through (${way}, Node ${major})`, async () => {
        const child = started(way, major, 'stdin', { input: 'hello '.repeat(50_000) });
        assert.match((await child.done).stdout, /STDIN 300000 hello/);
        holds(onlyProfile(child.out), 'busyLoop');
        const words = started(way, major, 'arguments', { args: ['--flag', 'a b', '', '--', '-x'] });
        assert.match((await words.done).stdout, /ARGS \["--flag","a b","","--","-x"\]/);
      });

      it(`IPC passes through (${way}, Node ${major})`, async () => {
        const child = started(way, major, 'ipc', { ipc: true });
        const messages = [];
        child.on('message', (message) => messages.push(message));
        child.send({ some: ['thing'] });
        child.send('end');
        const result = await child.done;
        assert.equal(result.code, 0, result.stderr);
        assert.deepEqual(messages, ['hello', { echo: { some: ['thing'] } }, { echo: 'end' }]);
        holds(onlyProfile(child.out), 'busyLoop');
      });

      it(`an output directory that cannot be written does not stop the program (${way}, Node ${major})`, async () => {
        const file = join(scratch(), 'a-file');
        writeFileSync(file, '');
        const child = started(way, major, 'normal', { env: { PRONGHORN_OUTPUT_DIR: file } });
        const result = await child.done;
        assert.equal(result.code, 0);
        assert.match(result.stderr, /pronghorn/);
        assert.ok(result.stderr.includes(file), result.stderr);
      });

      it(`a wrong environment variable is named, and the program runs (${way}, Node ${major})`, async () => {
        const child = started(way, major, 'normal', { env: { PRONGHORN_INTERVAL_MICROS: '12' } });
        const result = await child.done;
        assert.equal(result.code, 0);
        assert.match(result.stderr, /PRONGHORN_INTERVAL_MICROS.*1,000.*1,000,000/);
        assert.deepEqual(filesIn(child.out), []);
      });
    });
  }

  it(`a signal at the very end does not lose the profile (Node ${major})`, async () => {
    for (const delay of [0, 0, 1, 2, 4, 8, 16]) {
      const child = started('register', major, 'signalAtEnd', { args: [`${delay}`] });
      const result = await child.done;
      assert.ok(result.signal === 'SIGTERM' || result.code === 0, `${result.signal ?? result.code}\n${result.stderr}`);
      assert.equal(result.stderr, '');
      holds(onlyProfile(child.out), 'busyLoop');
    }
  });

  it(`a program that has stopped the profiler dies of its signal as without it (Node ${major})`, async () => {
    const child = started('register', major, 'stopsItself');
    const result = await child.done;
    assert.equal(result.signal, 'SIGTERM');
    assert.match(result.stdout, /STOPPED true/);
    assert.equal(result.stderr, '');
    assert.deepEqual(filesIn(child.out), []);
  });

  it(`run passes on how the program ended when it is killed (Node ${major})`, async () => {
    const out = scratch();
    const child = launch(nodePath(major), [
      cli,
      'run',
      '--output-dir',
      out,
      '--interval-micros',
      '1000',
      '--',
      '-e',
      'process.kill(process.pid, "SIGKILL")',
    ]);
    assert.equal((await child.done).signal, 'SIGKILL');
  });

  it(`run as process 1 of a container (Node ${major})`, { skip: !canUnshare && 'unshare -pf is not permitted here' }, async () => {
    const out = scratch();
    const child = launch('unshare', ['-pf', '--kill-child', nodePath(major), cli, 'run', '--output-dir', out, '--', app, 'busy'], {
      deadlineMs: 20_000,
    });
    await child.waitFor('READY 0,0,0');
    // Inside, the command is process 1; from here it is the child of unshare.
    const inner = Number(
      spawnSync('ps', ['-o', 'pid=', '--ppid', `${child.pid}`])
        .stdout.toString()
        .trim(),
    );
    process.kill(inner, 'SIGTERM');
    const result = await child.done;
    assert.equal(result.code, 143, `${result.signal} ${result.stderr}`);
    holds(onlyProfile(out), 'busyLoop');
  });

  it(`top reads what register wrote (Node ${major})`, async () => {
    const child = started('register', major, 'normal');
    await child.done;
    const file = join(child.out, filesIn(child.out)[0]);
    const text = await run(nodePath(major), [cli, 'top', file, '--value', 'cpu', '--count', '5']);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /busyLoop/);
    const json = await run(nodePath(major), [cli, 'top', file, '--value', 'wall', '--sort', 'total', '--count', '100', '--json']);
    assert.equal(json.code, 0, json.stderr);
    assert.match(JSON.stringify(JSON.parse(json.stdout)), /busyLoop/);
  });

  for (const [what, bytes] of [
    ['truncated', undefined],
    ['foreign', Buffer.from('not a profile at all')],
    ['empty', Buffer.alloc(0)],
  ]) {
    it(`top refuses a ${what} file with a clear error (Node ${major})`, async () => {
      const folder = scratch();
      let content = bytes;
      if (content === undefined) {
        const child = started('register', major, 'normal');
        await child.done;
        const whole = readFileSync(join(child.out, filesIn(child.out)[0]));
        content = whole.subarray(0, whole.length >> 1);
      }
      const file = join(folder, 'bad.pb.gz');
      writeFileSync(file, content);
      const result = await run(nodePath(major), [cli, 'top', file]);
      assert.ok(result.code !== 0 && result.code !== null, `code ${result.code}`);
      assert.ok(result.stderr.includes('bad.pb.gz'), result.stderr);
      assert.doesNotMatch(result.stderr, /at .*\.js:\d+/, 'an error message, not a stack');
      assert.equal(result.stdout, '');
    });
  }
}

it('nothing is left in the working directory', async () => {
  await sleep(0);
  assert.deepEqual(
    readdirSync(root).filter((name) => /^CPU\..*\.pb\.gz$/.test(name)),
    [],
  );
});
