// One run of a workload under a contender: the time and CPU time that it takes, with the contender's start and the profile of it.
import { setTimeout } from 'node:timers/promises';
import { importContender } from '../contenders/index.mjs';
import { importWorkload } from '../workloads/index.mjs';
import { cpuMs, finish, settings } from './process.mjs';
import { threadCpuMs } from './thread-clock.mjs';

/** What the event loop gets for itself behind the work. */
const LOOP_MS = 300;

const { contender, workload, intervalMicros = 10_000 } = settings;
const profiler = await (await importContender(contender)).load();
const { run, latencies, close } = await (await importWorkload(workload)).prepare({ ...settings, intervalMicros, coversWorkers: profiler.coversWorkers });

const cpuBefore = cpuMs();
profiler.start(intervalMicros);
const began = performance.now();
const operations = await run();
const wallMs = performance.now() - began;
const cpuOfRun = cpuMs() - cpuBefore;

const hasLatencies = latencies !== undefined;
// What V8 has put off while the work kept its thread busy, a full collection at times, is no part of a profile: it comes with any contender and with none, and is counted
// with neither work nor profile. What the contender does meanwhile is its own.
await setTimeout(LOOP_MS);
const stats = profiler.stats?.();
const profileBegan = { process: cpuMs(), thread: threadCpuMs() };
const bytes = (await (hasLatencies ? profiler.rotate() : profiler.stop()))?.length;
const cpuOfProfile = { process: cpuMs() - profileBegan.process, thread: threadCpuMs() - profileBegan.thread };
const afterProfile = profiler.stats?.();
let last = afterProfile;

let latency;
if (hasLatencies) {
  // A rotation waits for the one before.
  let rotated = Promise.resolve();
  latency = await latencies(() => {
    rotated = rotated.then(() => profiler.rotate());
  });
  await rotated;
  await profiler.stop();
  last = profiler.stats?.();
}
await close?.();

/**
 * Our own paths by the clocks of their threads, in milliseconds: during the work, and what the one profile of it takes: the threads that encode and that parse source
 * maps, and all that this thread does meanwhile.
 */
const own = stats && {
  handler: stats.handlerTotalNanos / 1e6,
  resolve: stats.resolveNanos / 1e6,
  collections: stats.collectionNanos / 1e6,
  ticker: stats.tickerCpuNanos / 1e6,
  encode: (afterProfile.encodeCpuNanos + afterProfile.sourceMapNanos - stats.sourceMapNanos) / 1e6 + cpuOfProfile.thread,
};
const longestSlices = last && { resolve: last.resolveMaxNanos / 1e6, handler: last.handlerMaxNanos / 1e6, rotation: last.rotationMaxNanos / 1e6 };
finish({ operations, wallMs, cpuMs: cpuOfRun + cpuOfProfile.process, latency, bytes, own, longestSlices, samples: stats?.samples });
