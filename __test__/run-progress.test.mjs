// What `pronghorn run` says, and when: a line at the start, the paths at the end, progress on a terminal, nothing with --quiet, and never a byte in the
// program's standard output. And a profile of limited length, after which the program goes on.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launch } from './helpers/child.mjs';
import { startMisbehaving } from './helpers/misbehaving.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

const cli = join(root, 'dist/cli.js');
const register = join(root, 'dist/register.js');

/** Every byte there is, on standard output; and work that a profile shows. */
const BYTES = `import { writeSync } from 'node:fs';
function early(ms) { let x = 0; for (const end = performance.now() + ms; performance.now() < end;) for (let i = 0; i < 1e4; i++) x += i; return x; }
const late = (ms) => { let x = 0; for (const end = performance.now() + ms; performance.now() < end;) for (let i = 0; i < 1e4; i++) x -= i; return x; };
early(200);
writeSync(1, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
`;
const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
/** Works for two seconds, and then differently. */
const GOES_ON = `${BYTES}
const began = performance.now();
const timer = setInterval(() => {
  if (performance.now() - began > 3_000) { console.log('done'); clearInterval(timer); }
  else if (performance.now() - began > 2_000) late(20);
  else early(20);
}, 50);`;

function program(source, name = 'app.mjs') {
  const folder = scratch();
  const app = join(folder, name);
  writeFileSync(app, source);
  return { folder, app, out: join(folder, 'profiles') };
}

async function runProgram(major, source, { flags = [], env = {}, signal, command } = {}) {
  const { app, out } = program(source);
  const args = command?.(app) ?? [cli, 'run', '--output-dir', out, '--interval-micros', '1000', ...flags, '--', app];
  const child = launch(nodePath(major), args, { env: { PRONGHORN_OUTPUT_DIR: out, PRONGHORN_INTERVAL_MICROS: '1000', ...env }, deadlineMs: 40_000 });
  const chunks = [];
  // Bytes, and not what UTF-8 makes of them.
  child.stdout.setEncoding('latin1').on('data', (text) => chunks.push(Buffer.from(text, 'latin1')));
  if (signal !== undefined) {
    await child.waitFor(signal.after);
    process.kill(child.pid, signal.name);
  }
  const result = await child.done;
  assert.equal(result.timedOut, false, result.stderr);
  const files = profilesIn(out);
  return { ...result, out, bytes: Buffer.concat(chunks), lines: result.stderr.split('\n').slice(0, -1), files, profiles: files.map((name) => readProfile(join(out, name))) };
}

function profilesIn(folder) {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.pb.gz')).sort();
  } catch {
    return [];
  }
}

const holds = (profile, name) => total(profile.samples.filter(has(name)), 'count') > 0;

for (const major of majors) {
  describe(`what run says, Node ${major}`, { concurrency: 2 }, () => {
    it(`one line at the start and the path at the end, on standard error; standard output is the program's own, byte for byte (Node ${major})`, async () => {
      const { code, bytes, lines, files, out } = await runProgram(major, `${BYTES} process.exitCode = 5;`);
      assert.equal(code, 5);
      assert.ok(bytes.equals(allBytes), bytes.toString('hex'));
      assert.equal(files.length, 1);
      const [, pid] = /^CPU\.\d+\.\d+\.(\d+)\./.exec(files[0]);
      assert.deepEqual(lines, [`pronghorn: profiling process ${pid}; the profile will be in ${out}`, `pronghorn: profile written to ${join(out, files[0])}`]);
    });

    it(`with --quiet nothing, whichever end it is; the profile is there (Node ${major})`, async () => {
      for (const [source, code, signal] of [['', 0], ['process.exit(3)', 3], [`process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000);`, null, 'SIGTERM']]) {
        const result = await runProgram(major, `${BYTES} ${source}`, { flags: ['--quiet'] });
        assert.deepEqual([result.code, result.signal, result.stderr, result.files.length], [code, signal ?? null, '', 1]);
        assert.ok(result.bytes.equals(allBytes));
      }
      const own = `const { stop } = await import(${JSON.stringify(join(root, 'dist/index.js'))}); await stop();`;
      assert.equal((await runProgram(major, own, { flags: ['-q'] })).stderr, '');
      assert.equal((await runProgram(major, own, { command: (app) => ['--import', register, app], env: { PRONGHORN_QUIET: 'true' } })).stderr, '');
    });

    it(`with --quiet an error is said all the same (Node ${major})`, async () => {
      const { code, lines } = await runProgram(major, '', { flags: ['--quiet'], env: { PRONGHORN_MAX_DEPTH: '1' } });
      assert.equal(code, 0);
      assert.match(lines.join('\n'), /^pronghorn: not profiling this program: PRONGHORN_MAX_DEPTH must be [^\n]*$/);
    });

    it(`--duration: the file is there and said while the program goes on, and holds what came before (Node ${major})`, async () => {
      const { code, bytes, lines, files, profiles, out } = await runProgram(major, GOES_ON, { flags: ['--duration', '1s'] });
      assert.equal(code, 0);
      assert.equal(bytes.toString('latin1'), `${allBytes.toString('latin1')}done\n`);
      assert.match(lines[0], /^pronghorn: profiling process \d+ for 1 s; the profile will be in /);
      assert.deepEqual(lines.slice(1), [`pronghorn: profile written to ${join(out, files[0])}; the program goes on`]);
      assert.equal(profiles.length, 1);
      assert.ok(holds(profiles[0], 'early') && !holds(profiles[0], 'late'));
    });

    it(`a program that ends before --duration, or is ended by a signal after it, has its one profile (Node ${major})`, async () => {
      const early = await runProgram(major, BYTES, { flags: ['--duration', '20'] });
      assert.deepEqual([early.code, early.lines.length, early.files.length], [0, 2, 1], early.stderr);
      assert.ok(early.elapsedMs < 15_000, 'nothing waits for the duration');
      assert.doesNotMatch(early.lines[1], /goes on/);
      const late = await runProgram(major, `${BYTES} setTimeout(() => console.log('after'), 2_000); setInterval(() => {}, 1_000);`, { flags: ['--duration', '500ms'], signal: { after: 'after', name: 'SIGTERM' } });
      assert.deepEqual([late.signal, late.lines.length, late.files.length], ['SIGTERM', 2, 1], late.stderr);
    });

    it(`PRONGHORN_DURATION_MS: the same under register, without a word; the process is as if it had never been profiled (Node ${major})`, async () => {
      const source = `${GOES_ON} process.on('exit', () => console.log(process.listenerCount('exit'), process.listenerCount('beforeExit')));`;
      const { code, stdout, stderr, profiles } = await runProgram(major, source, { command: (app) => ['--import', register, app], env: { PRONGHORN_DURATION_MS: '1000' } });
      assert.deepEqual([code, stderr, profiles.length], [0, '', 1]);
      assert.match(stdout, /done\n1 0\n$/);
      assert.ok(holds(profiles[0], 'early') && !holds(profiles[0], 'late'));
      const wrong = await runProgram(major, "console.log('runs')", { command: (app) => ['--import', register, app], env: { PRONGHORN_DURATION_MS: '30s' } });
      assert.deepEqual([wrong.code, wrong.stdout, wrong.files], [0, 'runs\n', []]);
      assert.match(wrong.stderr, /^pronghorn: not profiling this program: PRONGHORN_DURATION_MS must be an integer from 1 to 2,147,483,647; it is "30s"$/m);
    });

    it(`--duration with exporters: everything has been sent, and no more follows (Node ${major})`, async () => {
      const server = await startMisbehaving({});
      try {
                const { code, lines, files } = await runProgram(major, GOES_ON, { flags: ['--duration', '1s', '--exporters', 'http', '--period-ms', '1000'], env: { PRONGHORN_HTTP_URL: server.url } });
        assert.deepEqual([code, files], [0, []], lines.join('\n'));
        assert.match(lines[0], /^pronghorn: profiling process \d+ for 1 s; every 1 s a profile goes to http$/);
        assert.deepEqual(lines.slice(1), ['pronghorn: profiled for 1 s; the program goes on']);
        const all = server.requests.map(({ body }) => readProfile(body));
        assert.ok(all.length >= 1 && all.length <= 2, `${all.length} profiles`);
        assert.ok(all.some((profile) => holds(profile, 'early')) && !all.some((profile) => holds(profile, 'late')));
      } finally {
        await server.stop();
      }
    });

    it(`a cluster: run speaks once, each process has its own duration and its own file (Node ${major})`, async () => {
      const source = `import cluster from 'node:cluster';
${BYTES.replace(/^writeSync.*$/m, '')}
if (cluster.isPrimary) for (let i = 0; i < 2; i++) cluster.fork();
setTimeout(() => process.exit(), 3_500);`;
      const { lines, files } = await runProgram(major, source, { flags: ['--duration', '1'] });
      assert.equal(files.length, 3, lines.join('\n'));
      assert.equal(lines.length, 2, lines.join('\n'));
      assert.match(lines[0], /^pronghorn: profiling process \d+ for 1 s/);
      assert.match(lines[1], /^pronghorn: profile written to .*; the program goes on$/);
    });

    it(`exit codes: 127 for a program that is not there, 126 for one that cannot be read, and nothing is started (Node ${major})`, async () => {
      const { folder, app, out } = program(BYTES);
      const start = (args, options = {}) => launch(nodePath(major), [cli, 'run', '--output-dir', out, '--', ...args], { cwd: folder, ...options }).done;
      const missing = await start(['no-such-program']);
      assert.deepEqual([missing.code, missing.stdout, missing.stderr], [127, '', 'pronghorn: there is no program no-such-program; what pronghorn runs is a JavaScript file\n']);
      // As node finds it: without its extension, or in a folder.
      mkdirSync(join(folder, 'inside'));
      copyFileSync(app, join(folder, 'inside/index.js'));
      writeFileSync(join(folder, 'inside/package.json'), '{"type":"module"}');
      assert.equal((await start(['node', 'inside'])).code, 0);
      assert.equal((await start(['--no-warnings', 'no-such-program'])).code, 1);
      assert.equal((await start(['no-such-program'], { env: { NODE_OPTIONS: `--require ${join(root, '__test__/apps/app.cjs')} normal` } })).code !== 127, true);
      assert.equal((await start(['-e', 'process.exit(9)'])).code, 9);
    });
  });

  it(`on a terminal the progress is shown and taken away, and the program's lines stay whole (Node ${major})`, async () => {
    const { app, out } = program("let n = 0; const timer = setInterval(() => (console.log(`line ${(n += 1)}`), n === 12 && clearInterval(timer)), 300);");
    const onTerminal = async (how, env = {}) => {
      const command = `stty cols 100; exec '${nodePath(major)}' '${cli}' run --output-dir '${out}' --duration 2s ${how} '${app}'`;
      const result = await launch('script', ['-qec', command, '/dev/null'], { env: { TERM: 'xterm', NO_COLOR: undefined, ...env } }).done;
      assert.equal(result.code, 0, result.stderr);
      // Patterns with the control character itself in them are refused by the linter.
      return result.stdout.replaceAll('\u001b', '␛');
    };
    const text = await onTerminal('--');
    assert.match(text, /^pronghorn: profiling process \d+ for 2 s; the profile will be in .*\r\n/);
    assert.match(text, /␛7␛\[81G␛\[2mprofiled 1 s of 2 s␛\[22m␛8/);
    assert.match(text, /␛7␛\[81G␛\[K␛8/);
    assert.match(text, /pronghorn: profile written to .*; the program goes on\r$/m);
    // What a terminal that knows no sequences would show: the text of the progress stands between lines and never within one.
    const without = text.replaceAll(/␛7.*?␛8/g, '');
    assert.deepEqual(without.split('\r\n').filter((line) => !line.startsWith('pronghorn: ') && line !== ''), Array.from({ length: 12 }, (_, index) => `line ${index + 1}`));
    assert.doesNotMatch(text.slice(text.indexOf('goes on')), /profiled/);
    assert.doesNotMatch(await onTerminal('--', { NO_COLOR: '1' }), /␛\[2m/);
    assert.doesNotMatch(await onTerminal('--', { TERM: 'dumb' }), /␛/);
    assert.doesNotMatch(await onTerminal('--quiet --'), /pronghorn|␛/);
  });
}

it('exit code 126: a program that may not be read', async () => {
  const { folder, app, out } = program(BYTES);
  chmodSync(folder, 0o755);
  chmodSync(app, 0o000);
  // Nothing is unreadable for root.
  const [command, ...before] = process.getuid() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups', process.execPath] : [process.execPath];
  const { code, stderr } = await launch(command, [...before, cli, 'run', '--output-dir', out, '--', app], { cwd: '/' }).done;
  assert.equal(code, 126, stderr);
  assert.match(stderr, /^pronghorn: .*app\.mjs cannot be read: EACCES/);
});
