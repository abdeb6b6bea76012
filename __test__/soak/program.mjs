// What a soak runs: a program that never does the same twice, profiled all the time. It says after each round what it holds of memory, descriptors,
// threads and mappings; the test, or scripts/soak.mjs, judges.
//
// A round: new functions, labels, a worker that comes and goes, a child process, and a rotation. Its exporters send to a server of the starter's.
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker, isMainThread } from 'node:worker_threads';
import { held } from './held.mjs';

const settings = JSON.parse(process.argv[2]);
const file = fileURLToPath(import.meta.url);
/** On a machine that is busy with something else a soak takes longer, and means as much. */
const LEAST_ROUNDS = 40;
let serial = 0;
let sink = 0;

/** Calls a function of a script of its own. */
function fresh(number) {
  const make = new Function(`return function made${number}(n) { let sum = ${number}; for (let i = 0; i < n; i++) sum = (sum * 31 + i) | 0; return sum; }`);
  sink ^= make()(20_000);
}

/**
 * Functions that were not there before. A worker's go with it. Node 26 keeps some 1.5 KB of each script that was ever compiled, profiled or not, so on the main
 * thread they come again after a while; many of them have been collected by then.
 */
function freshOnes(count) {
  for (let index = 0; index < count; index++) fresh(isMainThread ? serial++ % 500 : Math.floor(Math.random() * 2 ** 40));
}

const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Things that a leak would keep, by kind: what `leak` names is kept for ever. */
const kept = [];
const leaks = {
  memory: () => kept.push(Buffer.alloc(1 << 20, 1), Array.from({ length: 100_000 }, (_, index) => index + 0.5)),
  descriptors: () => kept.push(openSync('/dev/null')),
  threads: () => kept.push(new Worker('setInterval(() => {}, 1e6)', { eval: true })),
  mappings: () => kept.push(...Array.from({ length: 8 }, () => new WebAssembly.Memory({ initial: 1 }))),
};

/** In a run without the profiler, for comparison. */
const nothing = {
  start: () => ({ rotate: () => ({ data: 'none' }), stats: () => ({}), stop: () => undefined }),
  withLabels: (_labels, work) => work(),
};

/** The period's own rotation may be under way: then that one delivers. */
async function rotate(profiler) {
  try {
    const { data } = await profiler.rotate();
    if (data.length === 0) throw new Error('an empty profile');
  } catch (error) {
    if (error.code !== 'ERR_PRONGHORN_ROTATION_IN_PROGRESS') throw error;
  }
}

async function main() {
  const { start, withLabels } = settings.plain ? nothing : await import('pronghorn');
  const profiler = start({ intervalMicros: 1000, stallThresholdMs: 1000, exporters: [{ type: 'http', url: settings.url }], periodMs: 1000, service: 'soak' });
  const end = performance.now() + settings.ms;
  for (let round = 0; performance.now() < end || round < LEAST_ROUNDS; round++) {
    const next = performance.now() + settings.roundMs;
    withLabels({ round: `${round}`, tenant: `t${round % 5}` }, () => {
      freshOnes(40);
    });
    const worker = new Worker(file, { argv: [process.argv[2]] });
    await Promise.all([once(worker, 'exit'), promisify(execFile)('true')]);
    if (round % 10 === 0) await once(fork(file, [JSON.stringify({ ...settings, child: true })], { execArgv: [] }), 'exit');
    await rotate(profiler);
    for (const kind of settings.leak ?? []) leaks[kind]();
    globalThis.gc();
    writeSync(1, `ROUND ${JSON.stringify({ round, ...held() })}\n`);
    await rest(Math.max(1, next - performance.now()));
  }
  const { samples, droppedSamples, rotations, lostPeriods, exporters } = profiler.stats();
  await profiler.stop();
  writeSync(1, `END ${JSON.stringify({ samples, droppedSamples, rotations, lostPeriods, exporters, serial }, (_key, value) => (typeof value === 'bigint' ? Number(value) : value))}\n`);
  process.exit();
}

if (!isMainThread) freshOnes(20);
else if (settings.child) freshOnes(1);
else await main();
