// The thread that makes profiles: which threads there are, what happens where there can be none, and an environment that ends before its answer is there.
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { BINARY } from '../helpers/binary.mjs';
import { digest, forker, lib, native, parentOnly, pronghorn, scenarios, settings } from '../helpers/forking.mjs';

const { start, stop } = pronghorn;

const names = () => readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'latin1').trim());
/** The scheduling policy of a thread (proc_pid_stat(5), the 41st field; the 2nd is its name in parentheses). */
const policy = (name) => {
  const task = readdirSync('/proc/self/task').find((one) => readFileSync(`/proc/self/task/${one}/comm`, 'latin1').trim() === name);
  return task && Number(readFileSync(`/proc/self/task/${task}/stat`, 'latin1').split(') ').pop().split(' ')[41 - 3]);
};
/** A thread takes its name and its policy itself, when it first runs. */
async function until(is) {
  for (const end = performance.now() + 5_000; !is() && performance.now() < end; ) await new Promise((resolve) => void setTimeout(resolve, 5));
}
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
  /** The threads of the process in the turn of the start, behind it, and behind rotations. */
  async threads() {
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const started = { all: names().length, ours: ours() };
    await until(() => policy('pronghorn-work') === settings.policy);
    const turned = { all: names().length, ours: ours(), policies: [policy('pronghorn-work'), policy('pronghorn')] };
    const found = digest(await profiler.rotate()).parent > 0;
    await profiler.rotate();
    const rotated = { all: names().length, ours: ours() };
    await profiler.stop();
    return { found, started, turned, rotated, stopped: ours() };
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

  /** A filter of system calls, which lets this one pass, is in force when the thread is made. */
  async filtered() {
    const denied = forker.denyForks();
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    await until(() => ours().includes('pronghorn-work'));
    const found = digest(await profiler.rotate()).parent > 0;
    await profiler.stop();
    return { denied, found, policy: policy('pronghorn-work') };
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

  /** How many of many bodies were made when the profile of a rotation behind them was there. */
  async apart() {
    const { encodeOtlp } = await lib('otlp-encoder');
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const { data } = await profiler.rotate();
    let made = 0;
    const bodies = Array.from({ length: settings.bodies }, async () => {
      await encodeOtlp(native(), data, { resource: [], gzip: true });
      made++;
    });
    const rotation = await profiler.rotate();
    const before = made;
    await Promise.all(bodies);
    await profiler.stop();
    return { before, made, rotated: rotation !== undefined };
  },

  async environments() {
    const { encodeOtlp } = await lib('otlp-encoder');
    const profiler = start({ intervalMicros: 1_000 });
    burn(profiler);
    const { data } = await profiler.rotate();
    const path = `${settings.package}/${BINARY}`;
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
