// `npm run fuzz`: every fuzzer of fuzz/ for a while, each with a limit on memory and on the time of one input. What one finds stays in
// fuzz/artifacts, and `cargo fuzz run TARGET FILE` repeats it. docs/reliability.md says what they look at.
//
//   node scripts/fuzz.mjs [--minutes N] [TARGET …]
//
// It needs the command cargo-fuzz (`cargo install cargo-fuzz --locked`). The sanitizers are behind a switch that only nightly toolchains have;
// RUSTC_BOOTSTRAP=1 opens it in the installed one.
import { mkdirSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { duration, root, run } from './steps.mjs';

/** How far each target may go: bytes of an input, seconds of one, megabytes of memory. Reading 64 KiB takes none of them that long. */
const limits = { seconds: 10, megabytes: 1024, bytes: 16_384 };

const args = process.argv.slice(2);
const minutesAt = args.indexOf('--minutes');
const minutes = minutesAt < 0 ? 3 : Number(args.splice(minutesAt, 2)[1]);
const seconds = Math.round(minutes * 60);
if (!(seconds > 0)) throw new Error('--minutes takes a number above 0');
const all = readdirSync(new URL('fuzz/fuzz_targets/', root)).map((file) => file.replace('.rs', '')).sort();
const targets = args.length > 0 ? args : all;

if (spawnSync('cargo', ['fuzz', '--version']).status !== 0) {
  console.log('cargo-fuzz is missing: run "cargo install cargo-fuzz --locked"');
  process.exit(1);
}
const env = { RUSTC_BOOTSTRAP: '1' };
const cargoFuzz = (command, ...rest) => ['fuzz', command, '--target', 'x86_64-unknown-linux-gnu', ...rest];

/** The figures that libFuzzer ends with. */
function figures(output) {
  const of = (name) => Number(new RegExp(`^stat::${name}:\\s+(\\d+)`, 'm').exec(output)?.[1] ?? 0);
  const edges = [...output.matchAll(/ cov: (\d+) /g)].at(-1)?.[1] ?? 0;
  return { executions: of('number_of_executed_units'), slowest: of('slowest_unit_time_sec'), peak: of('peak_rss_mb'), edges: Number(edges) };
}

const began = Date.now();
await run('cargo', cargoFuzz('build'), { env, minutes: 30, quiet: true });
console.log(`built in ${duration(Date.now() - began)}`);
let failed = 0;
for (const target of targets) {
  const corpus = `fuzz/corpus/${target}`;
  mkdirSync(new URL(corpus, root), { recursive: true });
  const libfuzzer = [
    `-max_total_time=${seconds}`,
    `-timeout=${limits.seconds}`,
    `-rss_limit_mb=${limits.megabytes}`,
    `-max_len=${limits.bytes}`,
    '-print_final_stats=1',
  ];
  try {
    const output = await run('cargo', cargoFuzz('run', target, corpus, `fuzz/seeds/${target}`, '--', ...libfuzzer), { env, minutes: minutes + 5, quiet: true });
    const { executions, slowest, peak, edges } = figures(output);
    if (executions < 100) throw new Error(`only ${executions} inputs were tried`);
    console.log(`ok      ${target}: ${executions} inputs, ${edges} edges, slowest ${slowest} s, ${peak} MB`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${target}: ${error.message}`);
  }
}
console.log(`${targets.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
