// The thread that makes profiles: which threads there are, what happens where there can be none, and an environment that ends before its answer is there.
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { digest, forker, lib, native, parentOnly, pronghorn, scenarios, settings } from '../helpers/forking.mjs';

const { start, stop } = pronghorn;

const names = () => readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'latin1').trim());
const ours = () => names().filter((name) => name.startsWith('pronghorn')).sort();

/** An encoding of a profile, and the end of this thread's environment while it is under way. */
const ENDS = `
  const { workerData } = require('node:worker_threads');
  const native = require(workerData.path);
  for (let time = 0; time < 5; time++) native.encodeOtlp(workerData.data, { resource: [], gzip: true });
  if (workerData.exits) process.exit(3);
  setInterval(() => undefined, 1_000);
  require('node:worker_threads').parentPort.postMessage('under way');
`;

const burn = (profiler) => {
  const end = performance.now() + 5_000;
  do parentOnly(20);
  while (profiler.stats().samples < 20 && performance.now() < end);
};

await scenarios({
  /** The threads of the process, before the first rotation, behind it and behind others. */
  async threads() {
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const before = { all: names().length, ours: ours() };
    const found = digest(await profiler.rotate()).parent > 0;
    const after = { all: names().length, ours: ours() };
    await profiler.rotate();
    await profiler.stop();
    return { found, before, after, stopped: ours() };
  },

  /** Threads are refused from before the first rotation on. */
  async refused() {
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const denied = forker.denyThreads();
    const rotated = digest(await profiler.rotate()).parent > 0;
    const { sequence } = await profiler.rotate();
    parentOnly(50);
    const last = digest(await stop());
    return { denied, rotated, sequence, stopped: last.parent > 0, ours: ours() };
  },

  async bodies() {
    const { encodeOtlp } = await lib('otlp-encoder');
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const { data } = await profiler.stop();
    const before = ours();
    const body = await encodeOtlp(native(), data, { resource: [], gzip: false });
    return { before, after: ours(), bytes: body.length > 0 };
  },

  async environments() {
    const { encodeOtlp } = await lib('otlp-encoder');
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const { data } = await profiler.rotate();
    const path = `${settings.package}/pronghorn.linux-x64-gnu.node`;
    const codes = [];
    for (let time = 0; time < settings.times; time++) {
      const exits = time % 2 === 0;
      const worker = new Worker(ENDS, { eval: true, workerData: { path, data, exits } });
      const ended = new Promise((resolve) => void worker.once('exit', resolve));
      if (!exits) {
        await new Promise((resolve) => void worker.once('message', resolve));
        await worker.terminate();
      }
      codes.push(await ended);
    }
    const body = await encodeOtlp(native(), data, { resource: [], gzip: false });
    await stop();
    return { codes: [...new Set(codes)].sort(), bytes: body.length };
  },
});
