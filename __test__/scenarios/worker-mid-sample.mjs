// Workers that are terminated while their thread is inside our signal handler, where a failpoint holds it: the handler comes to its end on a thread that is
// to end, in an isolate that is told to.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BINARY } from '../helpers/binary.mjs';
import { burn, fixture, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

const { start } = await import(pathToFileURL(join(settings.package, 'dist/index.js')));
const native = createRequire(import.meta.url)(join(settings.package, BINARY));

/**
 * The failpoint holds what is interrupted in compiled JavaScript. So the worker, once it has been found in some of that, computes in native code until the hold is
 * armed, and then in a function of its own, where the hold waits.
 */
const SOURCE = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { burn, threadCpuNanos, threadId } = require(workerData.fixture);
  const clock = new Float64Array(workerData.clock);
  const go = new Int32Array(workerData.go);
  let sink = 1;
  function isFound() {
    while (Atomics.load(go, 0) === 0) for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  }
  function computesNatively() {
    while (Atomics.load(go, 0) === 1) {
      burn(2);
      clock[1] = threadCpuNanos();
    }
  }
  function isHeld() {
    for (;;) sink = (Math.imul(sink, 69069) + 1) | 0;
  }
  parentPort.postMessage(threadId());
  isFound();
  clock[0] = clock[1] = threadCpuNanos();
  computesNatively();
  isHeld();`;

function onMain() {
  burn(10);
}

async function until(condition, what) {
  const end = performance.now() + 8_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 8 seconds: ${what}`);
    await rest(1);
  }
}

const profiler = start(startOptions());
const bystander = burning('bystands', { name: 'bystander' });
await bystander.online;
let cpuOfBystander = 0;

const slotOf = (tid) => native.inspect().slots.find(({ threadId }) => threadId === tid);

/** One worker: held in mid-sample, terminated, released. The bystander computes only while nobody else is to be held. */
async function one() {
  const [clock, go] = [new Float64Array(new SharedArrayBuffer(16)), new Int32Array(new SharedArrayBuffer(4))];
  const worker = new Worker(SOURCE, { eval: true, name: 'ends', workerData: { fixture: settings.fixture, clock: clock.buffer, go: go.buffer } });
  const spent = () => clock[1] - clock[0];
  let code;
  worker.once('exit', (with_) => (code = with_));
  const tid = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await until(() => slotOf(tid)?.armed, 'the worker is found');
  Atomics.store(go, 0, 1);
  await until(() => spent() > 20e6, 'the worker has computed for 20 ms');
  native.failpointHold('mid-sample');
  const cpu = spent();
  Atomics.store(go, 0, 2);
  await until(() => native.failpointIsHeld('mid-sample'), 'the worker is held');
  const inHandler = slotOf(tid).busy;
  const before = profiler.stats().samples;
  const terminated = worker.terminate();
  cpuOfBystander += await bystander.burn(50);
  onMain();
  const held = { inHandler, isHeld: native.failpointIsHeld('mid-sample'), hasEnded: code !== undefined };
  const meanwhile = profiler.stats().samples - before;
  native.failpointRelease('mid-sample');
  await until(() => code !== undefined, 'the worker has ended');
  await terminated;
  return { tid, cpu, held, meanwhile, code };
}

const workers = [];
for (let round = 0; round < settings.count; round++) workers.push(await one());
const during = keep(await profiler.rotate(), 'during');
const after = keep(await profiler.rotate(), 'after');
cpuOfBystander += await bystander.burn(50);
await bystander.end();
const gaveUp = native.failpointGaveUp();
const last = keep(await profiler.stop(), 'last');
report({ mainThread: fixture.threadId(), workers, gaveUp, bystander: (await bystander.online).tid, cpuOfBystander, during, after, last, failure: profiler.failure?.message });
