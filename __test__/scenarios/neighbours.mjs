// Programs that do to a thread what few programs do, under fast sampling: one function per kind. Each works for `ms`.
import { createRequire } from 'node:module';
import { start } from 'pronghorn';
import { burn, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const require = createRequire(import.meta.url);
const { what, ms } = settings;
const until = (end) => performance.now() < end;
let sink = 0;

/** Calls itself, with a frame of some size, until `depth` is used up, or the stack. */
function descend(depth, first = 1, second = first + 1, third = second + 1) {
  if (depth === 0) return first + second + third;
  return descend(depth - 1, second, third, first) + third;
}

const kinds = {
  // The application runs out of stack, again and again.
  overflow(end) {
    let overflows = 0;
    while (until(end)) {
      try {
        sink ^= descend(Infinity);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        overflows++;
      }
    }
    return { overflows };
  },

  // `Atomics.wait` that times out, between short computations.
  atomics(end) {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    let waits = 0;
    while (until(end)) {
      Atomics.wait(cell, 0, 0, 0.2);
      waits++;
      for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
    }
    return { waits };
  },

  // Contexts made, entered and dropped.
  contexts(end) {
    const vm = require('node:vm');
    let contexts = 0;
    while (until(end)) {
      const context = vm.createContext({ n: contexts });
      sink ^= vm.runInContext('(function inContext() { let s = n; for (let i = 0; i < 2e5; i++) s = (s * 31 + i) | 0; return s; })()', context);
      contexts++;
    }
    return { contexts };
  },

  // Isolates of the application's own: entered on this thread, from which they call back into ours, and run on others.
  async isolates(end) {
    const { Callback, Isolate } = createRequire(new URL('../isolated-vm/package.json', import.meta.url))('isolated-vm');
    const source = '(() => { let s = 1; for (let i = 0; i < 2e6; i++) s = (s * 31 + i) | 0; return s; })()';
    let isolates = 0;
    const backInside = () => burn(10);
    const entersIsolate = (script, context) => script.runSync(context);
    while (until(end)) {
      const isolate = new Isolate({ memoryLimit: 16 });
      const context = isolate.createContextSync();
      const script = isolate.compileScriptSync(source);
      context.global.setSync('callBack', new Callback(backInside));
      entersIsolate(isolate.compileScriptSync('callBack()'), context);
      const result = script.runSync(context);
      const elsewhere = script.run(context);
      burn(30);
      if ((await elsewhere) === result) isolates++;
      isolate.dispose();
    }
    return { isolates };
  },

  // Errors that domains catch, also in callbacks.
  async domains(end) {
    const { create } = require('node:domain');
    let caught = 0;
    while (until(end)) {
      const domain = create();
      await new Promise((resolve) => {
        domain.on('error', () => {
          caught++;
          resolve();
        });
        domain.run(() => {
          sink ^= descend(200);
          setImmediate(() => {
            burn(1);
            throw new Error('for the domain');
          });
        });
      });
    }
    return { caught };
  },

  // A debugger on the main thread, in a worker of its own: breakpoints, steps and pauses.
  async debugger(end) {
    const { Worker } = await import('node:worker_threads');
    const worker = new Worker(new URL('../apps/debugger.cjs', import.meta.url));
    await new Promise((resolve) => worker.once('message', resolve));
    while (until(end)) {
      burn(5);
      sink ^= descend(50);
      await rest(1);
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
    worker.postMessage('stop');
    const pauses = await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    return { pauses };
  },

  // Another profiler, which walks the same thread from a signal handler of its own.
  async datadog(end) {
    const { time } = require('@datadog/pprof');
    time.start({ intervalMicros: 1_000, durationMillis: ms, withContexts: true, collectCpuTime: process.version < 'v26' });
    burn(end - performance.now());
    const profile = time.stop();
    const names = profile.stringTable.strings ?? profile.stringTable;
    return { theirs: profile.sample.length, hit: names.includes('chunk') };
  },
};

const profiler = start(startOptions());
const result = await kinds[what](performance.now() + ms);
const profile = await profiler.stop();
report({ ...result, profile: keep(profile, 'profile') });
