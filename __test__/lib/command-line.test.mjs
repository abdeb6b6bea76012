import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCommandLine, UsageError } from '../../build/lib/command/command-line.js';
import { formatDuration, parseDuration } from '../../build/lib/command/duration.js';
import { helpText } from '../../build/lib/command/help.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const wrong = (args, message) => assert.throws(() => readCommandLine(args), (error) => error instanceof UsageError && message.test(error.message), args.join(' '));

test('run: options end at the first word that is not ours, or at --', () => {
  const { program, env, plan } = readCommandLine(['run', '--output-dir', 'x', '--interval-micros=5000', '--', 'app.js', '--count', '--', '3']);
  assert.deepEqual(program, ['app.js', '--count', '--', '3']);
  assert.deepEqual(env, { PRONGHORN_INTERVAL_MICROS: '5000', PRONGHORN_OUTPUT_DIR: resolve('x') });
  assert.deepEqual(plan, { directory: resolve('x'), durationMs: undefined, quiet: false, periodMs: 60_000, exporters: [] });
  assert.deepEqual(readCommandLine(['run', '--max-depth', '64', 'app.js', '--help', '-x']).program, ['app.js', '--help', '-x']);
  assert.deepEqual(readCommandLine(['run', '--', '--max-old-space-size=64', 'app.js']).program, ['--max-old-space-size=64', 'app.js']);
});

test('run: how long, how loud and where to', () => {
  const run = (...args) => readCommandLine(['run', ...args, 'app.js']);
  assert.deepEqual(run('--duration', '1.5m', '-q').env, { PRONGHORN_DURATION_MS: '90000', PRONGHORN_QUIET: 'true', PRONGHORN_OUTPUT_DIR: resolve('.') });
  assert.deepEqual(run('-d', '30').plan, { directory: resolve('.'), durationMs: 30_000, quiet: false, periodMs: 60_000, exporters: [] });
  const { plan } = run('--exporters', 'file,otlp', '--period-ms', '5000', '--quiet');
  assert.deepEqual([plan.exporters, plan.periodMs, plan.quiet], [['file', 'otlp'], 5_000, true]);
  for (const text of ['0', '-1', '', 's', '10 weeks', '1e3', '25000000', '0.0001', '577h']) wrong(['run', `--duration=${text}`, '--', 'a.js'], /--duration must be seconds, or a number with ms, s, m or h behind it/);
});

test('lengths of time, as they are typed and as they are shown', () => {
  const typed = { 1: 1_000, 30: 30_000, '30s': 30_000, '2m': 120_000, '2 min': 120_000, '1.5h': 5_400_000, '250ms': 250, '0.001': 1 };
  for (const [text, ms] of Object.entries(typed)) assert.equal(parseDuration(text), ms, text);
  const shown = { 250: '250 ms', 1_500: '1.5 s', 30_000: '30 s', 60_000: '1 min', 150_500: '2 min 30 s', 3_600_000: '1 h', 7_500_000: '2 h 5 min' };
  for (const [ms, text] of Object.entries(shown)) assert.equal(formatDuration(Number(ms)), text);
});

test('run: what is wrong is named', () => {
  wrong(['run'], /no program to run/);
  wrong(['run', '--'], /no program to run/);
  wrong(['run', '--interval-micros', '5', '--', 'a.js'], /--interval-micros must be an integer from 1,000 to 1,000,000; it is "5"/);
  wrong(['run', '--native-frames', 'some', 'a.js'], /--native-frames must be one of "none", "leaf", "all"/);
  wrong(['run', '--output-dirs', 'x', '--', 'a.js'], /unknown option --output-dirs; did you mean --output-dir\?/);
  wrong(['run', '--output-dir=', '--', 'a.js'], /needs the name of a folder/);
});

test('top: options and their defaults', () => {
  assert.deepEqual(readCommandLine(['top', 'f']), { name: 'top', file: 'f', value: undefined, sort: 'self', by: undefined, count: 20, json: false });
  assert.deepEqual(readCommandLine(['top', '--value', 'wall', '--sort=total', '--count', '3', '--json', 'f']), { name: 'top', file: 'f', value: 'wall', sort: 'total', by: undefined, count: 3, json: true });
  assert.deepEqual(readCommandLine(['top', '--by', 'process', 'f']), { name: 'top', file: 'f', value: undefined, sort: 'self', by: 'process', count: 5, json: false });
  assert.deepEqual(readCommandLine(['top', '--by', 'route', 'f']), { name: 'top', file: 'f', value: undefined, sort: 'self', by: { label: 'route' }, count: 5, json: false });
  wrong(['top'], /no file/);
  wrong(['top', 'a', 'b'], /one file at a time/);
  wrong(['top', 'a', '--value', 'heap'], /--value must be one of cpu, wall, samples; it is "heap"/);
  wrong(['top', 'a', '--sort', 'name'], /--sort must be one of self, total/);
  wrong(['top', 'a', '--by', ''], /--by must be one of process, thread, or the name of a label/);
  for (const count of ['0', '-1', '1.5', 'x', '10000000']) wrong(['top', 'a', `--count=${count}`], /--count must be an integer from 1 to 1,000,000/);
  wrong(['top', 'a', '--valu', 'cpu'], /did you mean --value/);
});

test('merge: files and where to', () => {
  assert.deepEqual(readCommandLine(['merge', 'a', 'b', '-o', 'c']), { name: 'merge', files: ['a', 'b'], output: 'c' });
  assert.deepEqual(readCommandLine(['merge', '--output=c', 'a']), { name: 'merge', files: ['a'], output: 'c' });
  wrong(['merge', '-o', 'c'], /no files/);
  wrong(['merge', 'a', 'b'], /no file to write to/);
  wrong(['merge', 'a', '-o', ''], /no file to write to/);
  wrong(['merge', 'a', '--outptu', 'c'], /did you mean --output/);
});

test('flame and open: what they draw, and where it goes', () => {
  const nothing = { value: undefined, by: undefined, diff: undefined };
  assert.deepEqual(readCommandLine(['flame', 'a.pb.gz']), { name: 'flame', files: ['a.pb.gz'], output: 'a.html', ...nothing });
  assert.deepEqual(readCommandLine(['flame', 'dir/a.pb', 'b', '--by', 'thread', '--value=wall']), { name: 'flame', files: ['dir/a.pb', 'b'], output: 'dir/a.html', value: 'wall', by: 'thread', diff: undefined });
  assert.deepEqual(readCommandLine(['flame', 'a', '--diff', 'b']), { name: 'flame', files: ['a'], output: 'a.diff.html', ...nothing, diff: 'b' });
  assert.deepEqual(readCommandLine(['flame', 'a', '-o', '-']), { name: 'flame', files: ['a'], output: '-', ...nothing });
  assert.deepEqual(readCommandLine(['open', 'a']), { name: 'open', files: ['a'], port: 0, browser: true, ...nothing });
  assert.deepEqual(readCommandLine(['open', 'a', '--port', '8080', '--no-browser']), { name: 'open', files: ['a'], port: 8080, browser: false, ...nothing });
  for (const command of ['flame', 'open']) {
    assert.deepEqual(readCommandLine([command, '--help']), { name: 'help', of: command });
    wrong([command], /no file; for example: pronghorn (flame|open) CPU/);
    wrong([command, 'a', '--value', 'heap'], /--value must be one of cpu, wall, samples/);
    assert.deepEqual(readCommandLine([command, 'a', '--by', 'route']).by, { label: 'route' });
    wrong([command, 'a', '--by', ''], /--by must be one of process, thread, or the name of a label/);
    wrong([command, 'a', '--diff', ''], /--diff needs/);
    wrong([command, ''], /empty name/);
  }
  wrong(['flame', 'a', '-o', ''], /-o needs the name of a file/);
  wrong(['flame', 'a', '--port', '1'], /unknown option --port/);
  wrong(['flam', 'a'], /did you mean flame/);
  for (const port of ['-1', '65536', 'x', '1.5', '']) wrong(['open', 'a', `--port=${port}`], /--port must be an integer from 0 to 65,535/);
});

test('commands: help, version, and slips of the pen', () => {
  assert.deepEqual(readCommandLine([]), { name: 'help', of: 'pronghorn' });
  for (const args of [['help'], ['--help'], ['-h'], ['help', '--help']]) assert.deepEqual(readCommandLine(args), { name: 'help', of: 'pronghorn' });
  for (const of of ['run', 'top', 'flame', 'open', 'merge']) assert.deepEqual(readCommandLine(['help', of]), readCommandLine([of, '--help']));
  wrong(['help', 'rum'], /unknown command rum; did you mean run\?/);
  wrong(['help', 'run', 'top'], /one command at a time/);
  assert.deepEqual(readCommandLine(['run', '-h']), { name: 'help', of: 'run' });
  assert.deepEqual(readCommandLine(['top', '--help']), { name: 'help', of: 'top' });
  wrong(['tpo'], /unknown command tpo/);
  wrong(['rum'], /did you mean run\?/);
  wrong(['marge'], /did you mean merge\?/);
  assert.deepEqual(readCommandLine(['merge', '--help']), { name: 'help', of: 'merge' });
  wrong(['--verbose'], /unknown option --verbose/);
});

test('the command answers with exit code 2 and one line on standard error when the arguments make no sense', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'top', '--nope', 'x'], { encoding: 'utf8' });
  assert.deepEqual([status, stdout, stderr], [2, '', 'pronghorn: unknown option --nope (pronghorn --help)\n']);
});

test('help goes to standard output and names every option', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'run', '--help'], { encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
  for (const flag of ['--output-dir', '--duration', '--quiet', '--interval-micros', '--max-depth', '--native-frames']) assert.ok(stdout.includes(flag), flag);
});

test('each help has examples that can be typed', () => {
  for (const of of ['pronghorn', 'run', 'top', 'flame', 'open', 'merge']) {
    const [, examples] = helpText(of).split('\nExamples:\n');
    const commands = examples.split('\n\n')[0].match(/^ .*pronghorn .*$/gm) ?? [];
    assert.ok(commands.length >= 2, of);
    for (const line of commands) {
      // The command itself, without what a shell or ssh does with it, and without a remark.
      const [, args] = /pronghorn ((?:run|top|flame|open|merge) .*?)(?: \s+|$| [|>&])/.exec(line);
      assert.notEqual(readCommandLine(args.split(' ')).name, 'help', line);
    }
  }
});

test('the version is that of package.json', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  assert.equal(spawnSync(process.execPath, [cli, '--version'], { encoding: 'utf8' }).stdout, `${manifest.version}\n`);
});
