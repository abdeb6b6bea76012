// Loads a script of 10 MB and computes in its last function.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';
import { keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const { start } = await import(settings.package === undefined ? 'pronghorn' : join(settings.package, 'dist/index.js'));
const lines = settings.lines;
const comment = settings.wide ? '→ a character that takes two bytes' : 'a comment, since most of such a bundle is text';
const filler = Array.from({ length: lines }, (_, index) => `function unused${index}() { return ${index}; } // ${comment}\n`);
const hot = 'module.exports = function hot(ms, sum = 0) {\n  for (const end = Date.now() + ms; Date.now() < end; ) for (let n = 0; n < 1e5; n++) sum = (sum * 31 + n) | 0;\n  return sum;\n};\n';
const path = join(settings.out, 'large.cjs');
writeFileSync(path, filler.join('') + hot);

/** Computes until it is sampled, on a machine that is busy with other things too. */
function sampled(profiler, work) {
  const before = profiler.stats().samples;
  for (let count = 0; count < 100 && profiler.stats().samples < before + 3; count++) work(8);
}

const kinds = {
  // In one go: interrupts resolve what there is.
  async long() {
    const work = createRequire(import.meta.url)(path);
    globalThis.gc();
    return async () => {
      for (let turn = 0; turn < 10; turn++) {
        work(settings.ms / 10);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
  },

  // In one turn that is too short for that, with nothing behind it: the loop comes round by itself, and rests then.
  async short() {
    const work = createRequire(import.meta.url)(path);
    globalThis.gc();
    return async () => {
      work(60);
      await rest(200);
      const before = process.cpuUsage();
      await rest(500);
      const { user, system } = process.cpuUsage(before);
      return { restingMicros: user + system };
    };
  },

  // A rotation, the stop, or a full collection right behind the first samples.
  async rotation() {
    const work = createRequire(import.meta.url)(path);
    return async (profiler) => {
      sampled(profiler, work);
      const first = await profiler.rotate();
      sampled(profiler, work);
      const second = await profiler.rotate();
      return { rotated: [keep(first, 'first'), keep(second, 'second')] };
    };
  },

  async stop() {
    const work = createRequire(import.meta.url)(path);
    return async (profiler) => sampled(profiler, work);
  },

  async collection() {
    const work = createRequire(import.meta.url)(path);
    globalThis.gc();
    return async (profiler) => {
      sampled(profiler, work);
      globalThis.gc();
      sampled(profiler, work);
      globalThis.gc();
      await rest(200);
    };
  },

  // The script has no other owner than the function that ran, and a collection comes before its lines are counted.
  async gone() {
    const text = `((module) => { ${filler.join('')}${hot} return module.exports; })({})`;
    let work = vm.runInThisContext(text, { filename: path });
    return async (profiler) => {
      sampled(profiler, work);
      work = undefined;
      globalThis.gc();
      await rest(200);
    };
  },

  // The same on a worker, which rests when the main thread stops the profiler.
  async worker() {
    const code = `const { parentPort } = require('node:worker_threads'); const work = require(${JSON.stringify(path)}); globalThis.gc();
      parentPort.on('message', () => { work(60); parentPort.postMessage('done'); }); parentPort.postMessage('ready');`;
    const worker = new Worker(code, { eval: true });
    const heard = () => new Promise((resolve) => worker.once('message', resolve));
    await heard();
    return async () => {
      await rest(100);
      const done = heard();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
      worker.postMessage('work');
      await done;
      return { end: () => worker.terminate() };
    };
  },
};

const work = await kinds[settings.what]();
const profiler = start(startOptions());
const { end, ...seen } = (await work(profiler)) || {};
const early = profiler.stats();
const profile = await profiler.stop();
await end?.();
report({ path, bytes: filler.join('').length, early, ...seen, profile: keep(profile, 'profile') });
