// Two JavaScript threads at once, each with its own functions. The worker loads the package too.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { start } from 'pronghorn';
import { fixture, keep, monotonic, report, settings, startOptions } from '../helpers/scenario.mjs';

let sink = 1;

function onMain() {
  for (let index = 0; index < 100_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

function onWorker() {
  for (let index = 0; index < 100_000; index++) sink = (Math.imul(sink, 1664525) + index) | 0;
}

function drive(work, ms) {
  const end = monotonic() + ms * 1e6;
  while (monotonic() < end) work();
}

if (isMainThread) {
  const profiler = await start(startOptions());
  const worker = new Worker(new URL(import.meta.url), { argv: [process.argv[2]], name: 'counter', workerData: { ms: settings.ms } });
  const answers = [];
  const ended = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  worker.on('message', (message) => answers.push(message));
  await new Promise((resolve) => worker.once('message', resolve));
  drive(onMain, settings.ms);
  await ended;
  const profile = await profiler.stop();
  report({ answers, mainThread: fixture.threadId(), profile: keep(profile, 'profile') });
} else {
  let error;
  let profiler;
  try {
    profiler = await start(startOptions());
  } catch (caught) {
    error = { code: caught.code, message: caught.message };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort of Node's, not a window
  parentPort.postMessage({ threadId: fixture.threadId(), error });
  drive(onWorker, workerData.ms);
  if (profiler !== undefined) keep(await profiler.stop(), 'worker');
}
