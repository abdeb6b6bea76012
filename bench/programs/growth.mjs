// Whether what pronghorn costs grows: with the depth of stacks, with threads, with functions, and with time.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext, runInThisContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';
import { caller, loadFunctions } from '../workloads/functions.mjs';
import { busy, cpuMs, finish, settings } from './process.mjs';
import { pausesOf, turnBefore } from './turns.mjs';

let sink = 1;

/** A full collection, and time for what it leaves. */
async function collect() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  await new Promise((resolve) => setTimeout(resolve, 200));
}

function descend(depth) {
  if (depth > 1) return (descend(depth - 1) + 1) | 0;
  for (let index = 0; index < 300_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  return sink;
}

const ownNanos = (stats) => stats.handlerTotalNanos + stats.resolveNanos + stats.collectionNanos + stats.tickerCpuNanos;

/**
 * What a sample costs between two looks at the statistics; quantiles are since the start.
 *
 * @param cpu CPU time that the process took meanwhile, in milliseconds
 */
function handlerOf(stats, cpu, before = { samples: 0, handlerTotalNanos: 0, resolveNanos: 0, collectionNanos: 0, tickerCpuNanos: 0 }) {
  const samples = stats.samples - before.samples;
  const own = ownNanos(stats) - ownNanos(before);
  return {
    samplesPerCpuSecond: (1_000 * samples) / cpu,
    handlerP50: stats.handlerP50Nanos / 1e3,
    handlerP99: stats.handlerP99Nanos / 1e3,
    resolveMax: stats.resolveMaxNanos / 1e6,
    ownPerSample: own / samples / 1e3,
    ownShare: own / 1e6 / cpu,
    handlerShare: (stats.handlerTotalNanos - before.handlerTotalNanos) / 1e6 / cpu,
    samples,
  };
}

const growths = {
  async depth({ value, ms }) {
    const profiler = start({ intervalMicros: 1_000 });
    const before = cpuMs();
    busy(ms, () => descend(value));
    return handlerOf(profiler.stats(), cpuMs() - before);
  },

  async functions({ value, ms }) {
    const call = caller(loadFunctions(value));
    const profiler = start({ intervalMicros: 1_000 });
    const before = cpuMs();
    busy(ms, call);
    return handlerOf(profiler.stats(), cpuMs() - before);
  },

  async threads({ value, ms }) {
    const program = new URL('spinning-worker.mjs', import.meta.url);
    const profiler = start({ intervalMicros: 10_000 });
    const workers = Array.from({ length: value }, () => new Worker(program));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    // Loading them is not what is measured.
    const [before, statsBefore] = [cpuMs(), profiler.stats()];
    await new Promise((resolve) => setTimeout(resolve, ms));
    const [cpu, stats] = [cpuMs() - before, profiler.stats()];
    await Promise.all(workers.map((worker) => worker.terminate()));
    await profiler.stop();
    return handlerOf(stats, cpu, statsBefore);
  },

  /**
   * One rotation stands for a period: what a period holds matters, not how long it lasted. Each brings functions that were not there before. Memory is taken behind full
   * collections, when a fifth of the periods are over and at the end; without a profiler it is what the program itself takes.
   */
  async time({ value, ms, functionsEach, isProfiled }) {
    const profiler = isProfiled ? start({ intervalMicros: 1_000 }) : undefined;
    const functions = [];
    const periods = [];
    const dirty = [];
    for (let period = 0; period < value; period++) {
      functions.push(...loadFunctions(functionsEach, { from: period * functionsEach }));
      busy(ms, caller(functions));
      const { longest, outcome } = await pausesOf(async () => await profiler?.rotate());
      if (outcome !== undefined) periods.push({ pause: longest.cpuMs, bytes: outcome.data.length });
      if (period + 1 === Math.ceil(value / 5) || period + 1 === value) {
        await collect();
        const { heapTotal } = process.memoryUsage();
        dirty.push((Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))[1]) * 1_024 - heapTotal) / 2 ** 20);
      }
    }
    const stats = (await profiler?.stop())?.stats;
    return { periods, dirty, lost: stats && stats.droppedSamples + stats.droppedByRecorder };
  },

  /** A script of 10 MB whose lines have to be counted when the first sample falls into it. `end`: what comes then. */
  async lines({ wide, ms, end }) {
    const filler = `// ${wide ? 'é — ü — 統' : 'a comment'} ${'x'.repeat(60)}\n`;
    const text = `${filler.repeat(Math.ceil((10 * 2 ** 20) / filler.length))}(function spin(v) { for (let i = 0; i < 300000; i++) v = (Math.imul(v, 69069) + i) | 0; return v })`;
    const spin = runInThisContext(text, { filename: 'ten-megabytes.js' });
    await turnBefore();
    const profiler = start({ intervalMicros: 1_000 });
    busy(ms, () => (sink = spin(sink)));
    // A collection is V8's work: only what is ours of it counts.
    const pause = end === 'collection' ? await collect() : await pausesOf(() => (end === 'stop' ? profiler.stop() : profiler.rotate()));
    const { stats } = await profiler.stop();
    return { pause: pause && { call: pause.call, longest: pause.longest }, resolveMax: stats.resolveMaxNanos / 1e6, handlerMax: stats.handlerMaxNanos / 1e6 };
  },
};

finish(await growths[settings.what](settings));
