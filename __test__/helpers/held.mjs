// Holding threads of a scenario's process at failpoints, and the worker that is there to be held.
import { Worker } from 'node:worker_threads';
import { native, rest, settings } from './forking.mjs';

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread natively: it runs next to no JavaScript, and none of its interrupts. */
export const nap = (ms) => Atomics.wait(cell, 0, 0, ms);

/** Blocks this thread until another one is held at the failpoint. Throws when nobody comes. */
export function untilHeld(name, ms = 10_000) {
  const end = performance.now() + ms;
  while (!native().failpointIsHeld(name)) {
    if (performance.now() > end) throw new Error(`nobody came to ${name}`);
    nap(1);
  }
}

let sink = 0;

/** Deep stacks, which fill the buffer soon: the ticker then asks for it to be resolved. */
function deep(depth, done) {
  if (depth > 0) return (deep(depth - 1, done) + 1) | 0;
  while (!done()) for (let index = 0; index < 2_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  return sink;
}

/** Keeps this thread busy, natively uninterrupted by nothing, until the ticker is held. */
export function untilTickerHeld(name) {
  const end = performance.now() + 5_000;
  deep(400, () => native().failpointIsHeld(name) || performance.now() > end);
  if (!native().failpointIsHeld(name)) throw new Error(`the ticker did not come to ${name}`);
}

/** Lets the loop turn until a condition holds; returns whether it does. */
export async function until(condition, ms = 2_000) {
  const end = performance.now() + ms;
  while (!condition() && performance.now() < end) await rest(1);
  return condition();
}

/** A worker that records its samples every few milliseconds. */
export async function recordingWorker() {
  const url = new URL('../scenarios/fork-recorder.mjs', import.meta.url);
  const worker = new Worker(url, { workerData: { package: settings.package }, name: 'recorder' });
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return worker;
}
