// Workers that import the package, and so look whether this runtime can be profiled, while the main thread starts and stops sessions.
import { Worker, isMainThread } from 'node:worker_threads';
import { burn, report, settings, startOptions } from '../helpers/scenario.mjs';
import { start } from 'pronghorn';

const SOURCE = "import('pronghorn').then(() => { const end = Date.now() + 5; let sink = 1; while (Date.now() < end) sink = (sink * 31) | 0; });";

if (isMainThread) {
  const state = { over: false };
  let imported = 0;
  const errors = [];
  const importing = Array.from({ length: 3 }, async () => {
    while (!state.over) {
      const worker = new Worker(SOURCE, { eval: true });
      const code = await new Promise((resolve) => {
        worker.once('error', (error) => errors.push(String(error)));
        worker.once('exit', resolve);
      });
      if (code === 0) imported += 1;
    }
  });
  const sums = { refusedWalks: 0, samples: 0 };
  const reasons = new Set();
  for (let index = 0; index < settings.sessions; index++) {
    const profiler = start(startOptions());
    burn(6);
    // The workers come and go on this thread's loop.
    await new Promise((resolve) => setImmediate(resolve));
    for (const reason of profiler.capabilities.reasons) reasons.add(reason);
    const { stats } = await profiler.stop();
    sums.refusedWalks += stats.refusedWalks;
    sums.samples += stats.samples;
  }
  state.over = true;
  await Promise.all(importing);
  report({ ...sums, imported, errors, reasons: [...reasons] });
}
