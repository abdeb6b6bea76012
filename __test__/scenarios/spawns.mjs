// Spawns by every function of child_process while the profiler samples each millisecond: none fails, and each runs our fork handlers once.
import { exec, execFile, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { burn, keep, report, settings, startOptions } from '../helpers/scenario.mjs';
import { start } from 'pronghorn';

const here = fileURLToPath(import.meta.url);
const [executed, executedFile] = [promisify(exec), promisify(execFile)];

/** Resolves when the child has ended with 0. */
const ended = (child) =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => (code === 0 ? resolve() : reject(new Error(`ended with ${signal ?? code}`))));
  });

const ways = {
  spawn: () => ended(spawn('/bin/true', { stdio: 'ignore' })),
  spawnSync: () => {
    const { status, error } = spawnSync('/bin/true');
    if (status !== 0) throw error ?? new Error(`ended with ${status}`);
  },
  exec: () => executed('true'),
  execFile: () => executedFile('/bin/true'),
  execFileSync: () => execFileSync('/bin/true'),
  missing: () =>
    new Promise((resolve, reject) => {
      spawn('/no/such/program').on('error', ({ code }) => (code === 'ENOENT' ? resolve() : reject(new Error(code))));
    }),
};

async function each(counts) {
  const errors = [];
  for (const [way, count] of Object.entries(counts)) {
    for (let index = 0; index < count; index += 4) {
      for (const outcome of await Promise.allSettled([0, 1, 2, 3].map(async () => ways[way]()))) {
        if (outcome.status === 'rejected') errors.push(`${way}: ${outcome.reason}`);
      }
      burn(0.5);
    }
  }
  return errors;
}

if (!isMainThread) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node's, not a window
  parentPort.postMessage(await each({ spawn: 40, execFileSync: 40 }));
} else if (process.argv[3] !== 'child') {
  const profiler = start(startOptions());
  const worker = new Worker(here, { argv: [process.argv[2]] });
  const [own, others] = await Promise.all([each(settings.counts), new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))]);
  const forks = [0, 1, 2, 3].map(() => ended(fork(here, [process.argv[2], 'child'])));
  const forked = (await Promise.allSettled(forks)).filter(({ status }) => status === 'rejected');
  const stats = profiler.stats();
  report({ errors: [...own, ...others], forked, ...keep(await profiler.stop(), 'spawns'), stats });
}
