// One run of a workload under a contender: the time and CPU time that it takes, with the contender's start and its last profile.
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

// A rotation waits for the one before.
let rotated = Promise.resolve();
const latency = await latencies?.(() => {
  rotated = rotated.then(() => profiler.rotate());
});
await rotated;

const stopBegan = cpuMs();
const bytes = (await profiler.stop())?.length;
const cpuOfStop = cpuMs() - stopBegan;
const last = profiler.stats?.();
await close?.();

/** Our own paths during the work, as the profiler's clocks have them, and what the process takes to stop and to encode one profile, in milliseconds. */
const own = stats && {
  handler: stats.handlerTotalNanos / 1e6,
  resolve: stats.resolveNanos / 1e6,
  ticker: stats.tickerCpuNanos / 1e6,
  encode: cpuOfStop,
};
const longestSlices = last && { resolve: last.resolveMaxNanos / 1e6, handler: last.handlerMaxNanos / 1e6, rotation: last.rotationMaxNanos / 1e6 };
finish({ operations, wallMs, cpuMs: cpuOfRun + cpuOfStop, latency, bytes, own, longestSlices, samples: last?.samples });
