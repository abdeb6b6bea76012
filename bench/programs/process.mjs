// What every measured program does the same way.
import { performance } from 'node:perf_hooks';

/** What the runner wants of this process. */
export const settings = JSON.parse(process.argv[2] ?? '{}');

/** Ends the program with its result. Something of a contender's may keep the process alive, so it does not wait for its end. */
export function finish(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

/** CPU time of this process, all its threads and the kernel's work for it, in milliseconds. */
export function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Keeps this thread busy. */
export function busy(ms, work) {
  for (const end = performance.now() + ms; performance.now() < end; ) work();
}

export const turn = () => new Promise((resolve) => setImmediate(resolve));
