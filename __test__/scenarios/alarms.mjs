// A thread that computes without a break, for long, at the default interval, which then blocks, once for long and again and again for a little.
import { readFileSync } from 'node:fs';
import { start } from 'pronghorn';
import { switches } from '../helpers/switches.mjs';
import { burn, keep, monotonic, report, settings, startOptions } from '../helpers/scenario.mjs';

const cell = new Int32Array(new SharedArrayBuffer(4));

function waitForLong() {
  Atomics.wait(cell, 0, 0, 500);
}

function waitForLittle() {
  Atomics.wait(cell, 0, 0, 20);
}

function waitNowAndThen() {
  Atomics.wait(cell, 0, 0, 100);
}

/** Computes through promises and turns of the event loop, as a server under load does. */
async function burnInTurns(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    burn(2);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const WINDOW_MS = 250;
const cpuMs = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
/** How often our thread has gone to sleep; it takes its name a moment after the start. */
const looks = () => Object.entries(switches(process.pid)).find(([task]) => task.startsWith('pronghorn '))?.[1] ?? 0;

const profiler = start(startOptions());
const seen = () => ({ cpu: cpuMs(), wall: monotonic() / 1e6, looks: looks(), samples: profiler.stats().samples });
const work = settings.what === 'turns' ? burnInTurns : burn;

/** Windows in which this thread had a processor for itself; on a busy machine there may be few. */
const windows = [];
const end = performance.now() + 15_000;
while (windows.filter(({ steady }) => steady).length < 6 && performance.now() < end) {
  const before = seen();
  await work(WINDOW_MS);
  const after = seen();
  const passed = Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
  windows.push({ ...passed, steady: passed.cpu > 0.95 * passed.wall });
}
const blocked = monotonic();
waitForLong();
burn(100);
const began = monotonic();
for (let index = 0; index < 30; index++) {
  waitForLittle();
  burn(5);
}
const little = monotonic() - began;
let nowAndThen = 0;
for (let index = 0; index < 12; index++) {
  burn(350);
  const waits = monotonic();
  waitNowAndThen();
  nowAndThen += monotonic() - waits;
}
const profile = await profiler.stop();
report({ windows, long: began - blocked, little, nowAndThen, profile: keep(profile, 'profile') });
