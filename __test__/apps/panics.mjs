// Starts with a panic armed in one of the native half's entries, gives each of them a reason to run, and reports what the
// application heard of it. argv: the place.
import { subscribe } from 'node:diagnostics_channel';
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';
import { withHook } from '../helpers/test-hook.mjs';

const [place] = process.argv.slice(2);
const heard = [];
subscribe('pronghorn:error', ({ error }) => heard.push({ code: error.code, message: error.message }));

const profiler = start(withHook({ intervalMicros: 1000 }, { injectPanic: place }));
let kept = [];
function work(ms) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    kept = Array.from({ length: 20_000 }, (_, index) => ({ index }));
  }
  return kept.length;
}
// Without collections the thread is interrupted to resolve what it has.
let spun = 1;
for (let index = 0; index < 400_000_000; index++) spun = (Math.imul(spun, 31) + index) | 0;
work(200);
globalThis.gc();
let workerCode;
if (place === 'the end of an environment') {
  // It takes part at once, also where it gets little of the processors.
  const worker = new Worker("import('pronghorn').then(() => { const end = Date.now() + 100; let sink = 1; while (Date.now() < end) sink = (sink * 31) | 0; });", { eval: true });
  workerCode = await new Promise((resolve) => worker.once('exit', resolve));
}
await new Promise((resolve) => setTimeout(resolve, 50));
let thrown;
try {
  profiler.stats();
} catch (error) {
  thrown = { code: error.code, message: error.message };
}
await new Promise((resolve) => setTimeout(resolve, 50));
const { reasons } = profiler.capabilities;
const before = profiler.stats().samples;
work(100);
const after = profiler.stats().samples;
const profile = await profiler.stop();
// A start after that is a fresh one.
const again = start();
work(100);
const second = await again.stop();
console.log(JSON.stringify({ spun, workerCode, heard, thrown, reasons, stillSampling: after > before, bytes: profile.data.length, second: second.stats.samples }));
