// More busy workers than processors, which collect garbage all the time: each loses its processor again and again, wherever it is then.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { start } from 'pronghorn';
import { report, settings, startOptions } from '../helpers/scenario.mjs';

if (isMainThread) {
  const profiler = start(startOptions());
  const few = { maxYoungGenerationSizeMb: 1 };
  const workers = Array.from({ length: Math.min(8 * availableParallelism(), 64) }, () => new Worker(new URL(import.meta.url), { argv: [process.argv[2]], resourceLimits: few }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const before = profiler.stats();
  await new Promise((resolve) => setTimeout(resolve, settings.ms));
  const after = profiler.stats();
  await Promise.all(workers.map((worker) => worker.terminate()));
  await profiler.stop();
  report(Object.fromEntries(['samples', 'signalsSent', 'deferredSamples', 'collectionNanos'].map((key) => [key, after[key] - before[key]])));
} else {
  const kept = [];
  const allocate = () => {
    for (let index = 0; index < 1_000; index++) kept[index % 50] = { index, more: [index] };
  };
  allocate();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort of Node's, not a window
  parentPort.postMessage('busy');
  for (;;) allocate();
}
