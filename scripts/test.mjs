// `npm test` and `npm run test:long`: everything, from the build to the last test, and one line at the end that says how many passed.
// Every step runs, even after one has failed; without a build, though, nothing behind it means anything.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checks, longChecks } from './checks.mjs';
import { chromiumIsThere, installChromium } from './install-chromium.mjs';
import { duration, root, run } from './steps.mjs';

const long = process.argv.includes('--long') || process.env.PRONGHORN_TEST_LONG === '1';
/** Where the tests say how many samples and forks they have seen: `__test__/helpers/tally.mjs`. */
const tallyFile = join(mkdtempSync(join(tmpdir(), 'pronghorn-tally-')), 'tally');
const env = long ? { PRONGHORN_TEST_LONG: '1', PRONGHORN_TEST_TALLY: tallyFile } : {};
const npm = { command: 'npm', env: { npm_config_fund: 'false', npm_config_audit: 'false' } };
const results = [];
const began = Date.now();

/**
 * One step: it counts as one check, unless `count` finds the tests in its output.
 *
 * @param {string} name
 * @param {() => Promise<string>} work
 * @param {(output: string) => { passed: number, failed: number, note?: string }} [count]
 */
async function step(name, work, count) {
  console.log(`\n── ${name}`);
  const start = Date.now();
  let failure;
  let output = '';
  try {
    output = await work();
  } catch (error) {
    failure = error;
    output = error.output ?? '';
  }
  const counted = count?.(output) ?? { passed: failure === undefined ? 1 : 0, failed: failure === undefined ? 0 : 1 };
  // A command that failed without a failed test has not run all of its tests.
  if (failure !== undefined && counted.failed === 0) counted.failed = 1;
  if (failure === undefined && counted.passed === 0) Object.assign(counted, { failed: 1, note: 'no test ran' });
  if (failure !== undefined) console.log(failure.message);
  results.push({ name, ...counted, output, time: Date.now() - start });
  return failure === undefined;
}

/** Sums up the "test result" lines of cargo: one for each binary. */
function cargoCounts(output) {
  let passed = 0;
  let failed = 0;
  for (const match of output.matchAll(/^test result: .*?(\d+) passed; (\d+) failed/gm)) {
    passed += Number(match[1]);
    failed += Number(match[2]);
  }
  return { passed, failed };
}

/** Reads the last line of loom.sh: the models, and the weakened one that has to fail. */
function loomCounts(output) {
  const models = Number(/^loom: (\d+) models pass, and the weakened/m.exec(output)?.[1] ?? 0);
  return { passed: models > 0 ? models + 1 : 0, failed: 0 };
}

/** Reads the last line of our own scripts. */
function passedCounts(output) {
  const [, passed = 0, failed = 0] = [...output.matchAll(/(\d+) passed, (\d+) failed/g)].at(-1) ?? [];
  return { passed: Number(passed), failed: Number(failed) };
}

/** Reads the totals that node's spec reporter ends with. */
function nodeCounts(output) {
  const total = (word) => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  const skipped = total('skipped') + total('todo');
  const failed = total('fail') + total('cancelled');
  return { passed: total('pass'), failed, ...(skipped > 0 ? { note: `${skipped} skipped: for test:long, or for what this machine lacks` } : {}) };
}

/** Whether the Node binaries of the tests are there in the versions that are asked for; fetching them takes longer than looking. */
function nodesAreThere() {
  const { dependencies } = JSON.parse(readFileSync(new URL('__test__/nodes/package.json', root), 'utf8'));
  return Object.entries(dependencies).every(([alias, spec]) => {
    const binary = new URL(`__test__/nodes/node_modules/${alias}/bin/node`, root);
    if (!existsSync(binary)) return false;
    return spawnSync(binary.pathname, ['--version']).stdout?.toString().trim() === `v${spec.split('@').at(-1)}`;
  });
}

/** The test files, sorted; node_modules are none of ours. */
function testFiles() {
  const list = spawnSync('find', ['__test__', '-name', 'node_modules', '-prune', '-o', '-name', '*.test.mjs', '-print'], { cwd: root });
  return list.stdout.toString().trim().split('\n').filter(Boolean).sort();
}

/** What the programs of the tests have been through, for those who want to know how much "survived" stands for. */
function sayTally() {
  if (!existsSync(tallyFile)) return;
  const all = readFileSync(tallyFile, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const sum = (key) => all.reduce((total, one) => total + (one[key] ?? 0), 0).toLocaleString('en');
  console.log(`${sum('samples')} samples and ${sum('forks')} forks in ${all.filter((one) => one.samples !== undefined).length} sessions, ${sum('faults')} bad loads survived`);
}

/**
 * Tests that judge no times and no shares, and mostly wait: they run beside the others, one after the other like them. Most of those wait, too, for
 * most of their time.
 */
const BESIDE = [
  /^__test__\/(lib|fuzz)\//,
  /^__test__\/(exports|export-register|flame|flame-page|fork-export|licences|merge|otlp-encoding|otlp-export|panics|run-progress|servers|source-maps)\.test\.mjs$/,
  /^__test__\/package-(binary|missing)\.test\.mjs$/,
  /^__test__\/(helpers|servers)\/\w+\.test\.mjs$/,
];

/**
 * Runs test files with node's runner, on the machine's Node; they start the other versions themselves.
 *
 * @param {{ quiet?: boolean }} [options] shows what they print only at the end
 */
async function nodeTests(files, { quiet = false } = {}) {
  const args = ['--test', '--test-reporter=spec', '--test-concurrency=1', ...files];
  const output = await run(process.execPath, args, { env, minutes: long ? 150 : 34, capture: true, quiet });
  if (quiet) process.stdout.write(output);
  return output;
}

/** All of them, in two rows at once. */
async function allNodeTests() {
  const isBeside = (file) => BESIDE.some((pattern) => pattern.test(file));
  const files = testFiles();
  const beside = step('node tests beside them', () => nodeTests(files.filter(isBeside), { quiet: true }), nodeCounts);
  await step('node tests', () => nodeTests(files.filter((file) => !isBeside(file))), nodeCounts);
  await beside;
  return results.slice(-2);
}

/** What no second run excuses, in what the reporter says of the failures at its end. */
const CRASH = /\bSIG(?:SEGV|BUS|ILL|FPE|ABRT|TRAP)\b|\bended with signal (?:4|5|6|7|8|11)\b|\bpanicked at\b/;
const hasCrashed = ({ output }) => CRASH.test(output.slice(output.lastIndexOf('\n✖ failing tests:')));

/** The files of the tests that have just failed, if they are few, each of them could be told, and nothing has crashed. */
function filesToRepeat(steps) {
  const failures = steps.filter(({ failed }) => failed > 0);
  if (failures.some(hasCrashed)) return [];
  if (failures.reduce((sum, { failed }) => sum + failed, 0) > 12) return [];
  const files = failures.map(({ output }) => [...output.matchAll(/^test at (\S+?\.test\.mjs):/gm)].map((match) => match[1]));
  return files.every((told) => told.length > 0) ? [...new Set(files.flat())] : [];
}

/** Builds both halves, unless there is a native half to be tested: the release workflow says so, whose tests are of the very file that it publishes. */
function build() {
  const given = process.env.PRONGHORN_TEST_BINARY;
  if (given === undefined) return run('npm', ['run', '--silent', 'build'], { minutes: 15, quiet: true });
  for (const name of readdirSync(given)) copyFileSync(join(given, name), join(fileURLToPath(root), name));
  return run('npm', ['run', '--silent', 'build:ts'], { minutes: 2, quiet: true });
}

async function main() {
  if (!nodesAreThere()) {
    await step('Node binaries for the tests', () => run(npm.command, ['ci', '--prefix', '__test__/nodes'], { env: npm.env, quiet: true }));
  }
  // Without scripts: see its package.json.
  if (!existsSync(new URL('__test__/isolated-vm/node_modules/isolated-vm', root))) {
    await step('isolated-vm for the tests', () => run(npm.command, ['ci', '--ignore-scripts', '--prefix', '__test__/isolated-vm'], { env: npm.env, quiet: true }));
  }
  if (!chromiumIsThere()) await step('chromium for the tests', installChromium);
  const built = await step('build', build);
  if (built) {
    for (const { name, command, args, minutes } of checks) await step(name, () => run(command, args, { minutes, quiet: true }));
    await step('cargo test', () => run('cargo', ['test', '--workspace', '--no-fail-fast'], { env, minutes: long ? 30 : 8, capture: true }), cargoCounts);
    const loom = ['crates/pronghorn-recorder/loom.sh'];
    await step('loom', () => run('bash', loom, { env, minutes: long ? 30 : 6, capture: true }), loomCounts);
    if (long) for (const { name, command, args, minutes } of longChecks) await step(name, () => run(command, args, { env: { PRONGHORN_TEST_TALLY: tallyFile }, minutes, capture: true }), passedCounts);
    await step('servers for the tests', () => run(process.execPath, ['__test__/servers/build.mjs'], { minutes: 25 }));
    const firsts = await allNodeTests();
    const repeat = filesToRepeat(firsts);
    if (repeat.length > 0) {
      // The tests judge what a sampler saw on a machine that others use too: what fails is run once more, alone, and the second
      // run counts. A defect of the profiler fails both times.
      const failed = firsts.reduce((sum, first) => sum + first.failed, 0);
      console.log(`\n${failed} tests failed; their files run once more: ${repeat.join(' ')}`);
      await step('node tests, repeated', () => nodeTests(repeat), nodeCounts);
      for (const first of firsts) if (first.failed > 0) Object.assign(first, { note: `${first.failed} failed at first, see the repetition`, failed: 0 });
      const second = results.at(-1);
      second.passed = second.failed === 0 ? failed : Math.max(0, failed - second.failed);
    }
  }

  const width = Math.max(...results.map((result) => result.name.length));
  console.log('\n── summary');
  for (const { name, passed, failed, time, note } of results) {
    const verdict = failed === 0 ? 'ok    ' : 'FAILED';
    console.log(`${verdict}  ${name.padEnd(width)}  ${String(passed).padStart(4)} passed  ${String(failed).padStart(3)} failed  ${duration(time)}${note ? `  (${note})` : ''}`);
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  sayTally();
  rmSync(dirname(tallyFile), { recursive: true });
  console.log(`all in ${duration(Date.now() - began)}`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') === 0 ? 0 : 1;
}

await main();
