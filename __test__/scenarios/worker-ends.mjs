// Workers that end in every way, one after the other and several at a time, while the profiler runs. What a worker left behind is in the
// next rotation.
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';
import { fixture, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

/** What the workers run. None of them loads the package. */
const SOURCES = {
  // Runs JavaScript, collects garbage and is in native code by turns, until it is terminated. Not in zlib: Node 20 aborts where a worker is terminated
  // between the making and the init of a stream (node_zlib.cc, "close before init"), without us too.
  terminated: `
    const { pbkdf2Sync } = require('node:crypto');
    const kept = [];
    function spin() { let sink = 1; for (let index = 0; index < 1e5; index++) sink = (sink * 31 + index) | 0; return sink; }
    for (;;) {
      spin();
      kept.push(Array.from({ length: 200 }, (_, index) => ({ index })));
      if (kept.length > 100) kept.length = 0;
      JSON.parse(JSON.stringify({ list: [1, 2, 3] }));
      if (kept.length % 10 === 0) pbkdf2Sync('secret', 'salt', 20, 32, 'sha256');
    }`,
  exits: `
    const end = Date.now() + Math.random() * 30;
    let sink = 1;
    while (Date.now() < end) sink = (sink * 31) | 0;
    process.exit(3);`,
  'exits later': `
    const end = Date.now() + Math.random() * 30;
    setInterval(() => { if (Date.now() > end) process.exit(3); let sink = 1; for (let index = 0; index < 1e5; index++) sink = (sink * 31) | 0; }, 1);`,
  throws: `
    const end = Date.now() + Math.random() * 30;
    let sink = 1;
    while (Date.now() < end) sink = (sink * 31) | 0;
    throw new Error('uncaught');`,
};

let sink = 1;
function onMain() {
  for (let index = 0; index < 100_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

const profiler = start(startOptions());
const bystander = burning('bystands', { name: 'bystander' });
await bystander.online;

const codes = {};
async function one() {
  const worker = new Worker(SOURCES[settings.end], { eval: true });
  const error = new Promise((resolve) => worker.once('error', resolve));
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  if (settings.end === 'terminated') {
    // Half of them within the 50 ms in which the environment is made, half within the first 50 of their own code.
    if (left % 2 === 0) await new Promise((resolve) => worker.once('online', resolve));
    await rest(Math.random() * 50);
    await worker.terminate();
  }
  if (settings.end === 'throws' && (await error).message !== 'uncaught') throw await error;
  const code = await exit;
  codes[code] = (codes[code] ?? 0) + 1;
}
let left = settings.count;
const row = async () => {
  while (left-- > 0) await one();
};
const bystanders = bystander.burn(settings.bystands);
const rows = Promise.all([row(), row(), row(), row()]);
for (let round = 0; round < 50; round++) {
  onMain();
  await rest(1);
}
await rows;
const during = keep(await profiler.rotate(), 'during');
const cpuOfBystander = await bystanders;

// A worker whose life lies in one period, and that is gone when the next rotation comes.
const short = burning('isShort', { name: 'short' });
const { tid } = await short.online;
const cpu = await short.burn(150);
await short.end();
await rest(20);
const after = keep(await profiler.rotate(), 'after');
await bystander.end();
const last = keep(await profiler.stop(), 'last');
report({ mainThread: fixture.threadId(), codes, bystander: (await bystander.online).tid, cpuOfBystander, short: { tid, cpu }, during, after, last, failure: profiler.failure?.message });
