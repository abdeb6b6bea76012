// An event loop that is blocked, in ways that users know; what was published, and what was counted, is the report. What is written is the test's to read.
import { execSync } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';
import { burn, fixture, report, rest, say, settings, startOptions } from '../helpers/scenario.mjs';

const messages = [];
subscribe('pronghorn:stall', (message) => messages.push({ ...message, startTime: message.startTime.getTime() }));

const textOf = (bytes) => `[${'"abcdefgh",'.repeat(bytes / 11)}0]`;
let sink;

/** The functions that block, whose names the tests look for. */
const blocks = {
  endless: function endlessLoop() {
    for (let index = 0; ; index++) sink = index; // @endless
  },
  loop: function longLoop() {
    burn(settings.ms);
  },
  execSync: function runSleep() {
    execSync('sleep 2');
  },
  json: function parseMuch() {
    sink = JSON.parse(sink).length;
  },
  atomics: function waitForNobody() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, settings.ms);
  },
  native: function napNatively() {
    fixture.blockingNanosleep(settings.ms);
  },
  collections: function collectGarbage() {
    const end = performance.now() + settings.ms;
    while (performance.now() < end) globalThis.gc();
  },
  evaluated: function evaluate() {
    // oxlint-disable-next-line no-eval -- code without a file is what this is about
    (0, eval)(`(function evaluated(burn) {\n  burn(${settings.ms});\n})`)(burn);
  },
};
if (settings.what === 'json') sink = textOf(200e6);
if (settings.what === 'collections') sink = Array.from({ length: 1e6 }, (_, index) => ({ index, list: [index] }));

const profiler = start(startOptions());
const summary = () => {
  const { stalls, stallReports, lostStallReports, samples, faults, handlerMaxNanos } = profiler.stats();
  return { pid: process.pid, messages, stats: { stalls, stallReports, lostStallReports, samples, faults, handlerMaxNanos } };
};

const ways = {
  /** Blocks in a callback of a timer, once or more often. */
  async block() {
    for (let round = 0; round < (settings.rounds ?? 1); round++) {
      await new Promise((resolve) => {
        setTimeout(() => {
          say('BLOCKS');
          blocks[settings.what]();
          resolve();
        }, 50);
      });
      // The message comes before the loop next polls; the report may be a little later.
      await rest(settings.pauseMs ?? 500);
    }
  },
  /** Blocks before the loop has come round. */
  async atOnce() {
    blocks[settings.what]();
    await rest(300);
  },
  /** The loop does not come back before the profiler is stopped. */
  async stopped() {
    await rest(50);
    blocks[settings.what]();
    const { samples } = profiler.stopSync().stats;
    report({ pid: process.pid, messages, samples });
    process.exit(0);
  },
  /** A listener that throws, twice. */
  async throws() {
    const thrown = [];
    process.on('uncaughtException', (error) => thrown.push(error.message));
    subscribe('pronghorn:stall', () => {
      throw new Error('on purpose');
    });
    await ways.block();
    report({ ...summary(), thrown });
    process.exit(0);
  },
  /** Short turns, one after the other, for a while; the test may stop the process meanwhile. */
  async turns() {
    say('READY');
    for (const end = performance.now() + settings.ms; performance.now() < end; ) {
      burn(30);
      await new Promise(setImmediate);
    }
  },
  /** Waits for its input to end. */
  async idle() {
    await ways.block();
    say('READY');
    await new Promise((resolve) => process.stdin.once('data', resolve));
    process.stdin.destroy();
  },
  /** A debugger pauses the main thread for a while: another thread's, by the inspector. */
  async debugged() {
    const code = `
      const { Session } = require('node:inspector');
      const { parentPort } = require('node:worker_threads');
      setInterval(() => undefined, 1000);
      const session = new Session();
      session.connectToMainThread();
      session.once('Debugger.paused', () => setTimeout(() => session.post('Debugger.resume'), ${settings.ms}));
      session.once('Debugger.resumed', () => { session.disconnect(); parentPort.postMessage('resumed'); });
      session.post('Debugger.enable');
      session.post('Debugger.pause');
    `;
    const worker = new Worker(code, { eval: true });
    // It pauses where JavaScript runs.
    const running = setInterval(() => undefined, 5);
    const began = performance.now();
    await once(worker, 'message');
    clearInterval(running);
    await worker.terminate();
    if (performance.now() - began < settings.ms) throw new Error('it was not paused');
    await rest(100);
  },
};

// On a busy machine a timer may be due before the loop has waited for the first time; an immediate comes behind that.
if (settings.way !== 'atOnce') await new Promise((resolve) => setImmediate(resolve));
await ways[settings.way ?? 'block']();
report(summary());
await profiler.stop();
