// The program of source-maps.mjs: transpiles for a while, in slices of some milliseconds, and rotates. Prints what it saw as JSON.
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { start } from 'pronghorn';

const [, , path, sourceMaps] = process.argv;
const ts = createRequire(import.meta.url)(path);
const text = 'export class A<T> { constructor(private x: T) {} get(): T { return this.x; } }\n'.repeat(20);
const work = () => ts.transpileModule(text, { compilerOptions: { target: 'es2022' } });
for (let round = 0; round < 20; round++) work();

const profiler = start({ intervalMicros: 1_000, sourceMaps: sourceMaps === 'true' });
const rows = [];
for (let round = 0; round < 4; round++) {
  const end = performance.now() + 400;
  while (performance.now() < end) {
    work();
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The main thread does nothing meanwhile: a late timer is a slice of ours, or of another process.
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  const rotation = profiler.rotate();
  const callMs = performance.now() - began;
  const { stats, data } = await rotation;
  const rotationMs = performance.now() - began;
  delay.disable();
  rows.push({ callMs, rotationMs, delayMs: Math.max(0, delay.max / 1e6 - 1), bytes: data.length, stats });
}
await profiler.stop();
console.log(JSON.stringify(rows));
