// `npm run fuzz`: every fuzzer of fuzz/ for a while, each with a limit on memory and on the time of one input. What one finds stays in
// fuzz/artifacts, and `cargo fuzz run TARGET FILE` repeats it. docs/reliability.md says what they look at.
//
//   node scripts/fuzz.mjs [--minutes N] [TARGET …]
//
// The readers that are written in TypeScript are fuzzed by __test__/fuzz/fuzz.mjs, for as long; it is the target `pprof`. The command cargo-fuzz is built
// into target/tools where it is missing. The sanitizers are behind a switch that only nightly toolchains have; RUSTC_BOOTSTRAP=1 opens it in the installed one.
import { mkdirSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { duration, root, run } from './steps.mjs';

/** How far each target may go: bytes of an input, seconds of one, megabytes of memory. Reading as much takes none of them that long. */
const limits = { seconds: 10, megabytes: 1024, bytes: 16_384 };

const args = process.argv.slice(2);
const minutesAt = args.indexOf('--minutes');
const minutes = minutesAt < 0 ? 3 : Number(args.splice(minutesAt, 2)[1]);
const seconds = Math.round(minutes * 60);
if (!(seconds > 0)) throw new Error('--minutes takes a number above 0');
const all = readdirSync(new URL('fuzz/fuzz_targets/', root)).map((file) => file.replace('.rs', '')).sort();
const targets = args.length > 0 ? args : [...all, 'pprof'];

const tools = fileURLToPath(new URL('target/tools', root));
const env = { RUSTC_BOOTSTRAP: '1', PATH: `${process.env.PATH}:${tools}/bin` };
if (spawnSync('cargo', ['fuzz', '--version'], { env: { ...process.env, ...env } }).status !== 0) {
  await run('cargo', ['install', 'cargo-fuzz', '--version', '0.13.2', '--locked', '--root', tools], { minutes: 15, quiet: true });
}
const cargoFuzz = (command, ...rest) => ['fuzz', command, '--target', 'x86_64-unknown-linux-gnu', ...rest];

/** The figures that libFuzzer ends with. */
function figures(output) {
  const of = (name) => Number(new RegExp(`^stat::${name}:\\s+(\\d+)`, 'm').exec(output)?.[1] ?? 0);
  const edges = [...output.matchAll(/ cov: (\d+) /g)].at(-1)?.[1] ?? 0;
  return { executions: of('number_of_executed_units'), slowest: of('slowest_unit_time_sec'), peak: of('peak_rss_mb'), edges: Number(edges) };
}

/** A target of cargo-fuzz. @returns what came of it */
async function fuzzRust(target) {
  const corpus = `fuzz/corpus/${target}`;
  mkdirSync(new URL(corpus, root), { recursive: true });
  const libfuzzer = [
    `-max_total_time=${seconds}`,
    `-timeout=${limits.seconds}`,
    `-rss_limit_mb=${limits.megabytes}`,
    `-max_len=${limits.bytes}`,
    '-print_final_stats=1',
  ];
  const output = await run('cargo', cargoFuzz('run', target, corpus, `fuzz/seeds/${target}`, '--', ...libfuzzer), { env, minutes: minutes + 5, quiet: true });
  const { executions, slowest, peak, edges } = figures(output);
  if (executions < 100) throw new Error(`only ${executions} inputs were tried`);
  return `${executions} inputs, ${edges} edges, slowest ${slowest} s, ${peak} MB`;
}

/** The readers of `top`, `merge` and `flame`. */
async function fuzzPprof() {
  await run(process.execPath, ['scripts/build-ts.mjs'], { quiet: true });
  const seed = Date.now() % 2 ** 31;
  const options = ['--seed', `${seed}`, '--seconds', `${seconds}`];
  const { tried, refused, peakBytes } = JSON.parse(await run(process.execPath, ['__test__/fuzz/fuzz.mjs', ...options], { minutes: minutes + 5, quiet: true }));
  return `${tried} inputs from seed ${seed}, ${refused} refused, ${Math.round(peakBytes / 2 ** 20)} MB`;
}

const began = Date.now();
if (targets.some((target) => target !== 'pprof')) await run('cargo', cargoFuzz('build'), { env, minutes: 30, quiet: true });
console.log(`built in ${duration(Date.now() - began)}`);
let failed = 0;
for (const target of targets) {
  try {
    console.log(`ok      ${target}: ${await (target === 'pprof' ? fuzzPprof() : fuzzRust(target))}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${target}: ${error.message}`);
  }
}
console.log(`${targets.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
