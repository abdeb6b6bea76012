// One run of a workload under a contender: the time and CPU time that it takes, with the contender's start and the profile of it.
import { importContender } from '../contenders/index.mjs';
import { importWorkload } from '../workloads/index.mjs';
import { cpuMs, finish, settings } from './process.mjs';

const { contender, workload, intervalMicros = 10_000 } = settings;
const profiler = await (await importContender(contender)).load();
const { run, latencies, close } = await (await importWorkload(workload)).prepare({ ...settings, intervalMicros, coversWorkers: profiler.coversWorkers });

const cpuBefore = cpuMs();
profiler.start(intervalMicros);
const began = performance.now();
const operations = await run();
const wallMs = performance.now() - began;
const cpuOfRun = cpuMs() - cpuBefore;
const stats = profiler.stats?.();

const hasLatencies = latencies !== undefined;
const profileBegan = cpuMs();
const bytes = (await (hasLatencies ? profiler.rotate() : profiler.stop()))?.length;
const cpuOfProfile = cpuMs() - profileBegan;
let last = profiler.stats?.();

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

/** Our own paths during the work, as the profiler's clocks have them, and what the process takes for the one profile of it, in milliseconds. */
const own = stats && {
  handler: stats.handlerTotalNanos / 1e6,
  resolve: stats.resolveNanos / 1e6,
  ticker: stats.tickerCpuNanos / 1e6,
  encode: cpuOfProfile,
};
const longestSlices = last && { resolve: last.resolveMaxNanos / 1e6, handler: last.handlerMaxNanos / 1e6, rotation: last.rotationMaxNanos / 1e6 };
finish({ operations, wallMs, cpuMs: cpuOfRun + cpuOfProfile, latency, bytes, own, longestSlices, samples: stats?.samples });
