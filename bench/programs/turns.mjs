// How long something keeps the main thread: the longest turn of the event loop while it goes on, by the wall clock and by the thread's CPU clock.
import { PerformanceObserver } from 'node:perf_hooks';
import native from '#native';

/** CPU time of this thread, in milliseconds. Reading it is all that the native half does in a process where pronghorn is not started. */
export const threadCpuMs = () => Number(native.readClock().cpuNanos) / 1e6;

/**
 * @param {() => Promise<unknown>} work
 * @returns `call`: until it returned its promise; `longest`: of that and the turns until it was settled, the longest by each clock (`beganMs`: the one by the wall clock); `outcome`: what
 *   it resolved with
 */
export async function pausesOf(work) {
  const longest = { beganMs: 0, wallMs: 0, cpuMs: 0 };
  let last = { wall: performance.now(), cpu: threadCpuMs() };
  const look = () => {
    const [wall, cpu] = [performance.now(), threadCpuMs()];
    const passed = { beganMs: last.wall, wallMs: wall - last.wall, cpuMs: cpu - last.cpu };
    if (passed.wallMs > longest.wallMs) Object.assign(longest, { beganMs: passed.beganMs, wallMs: passed.wallMs });
    longest.cpuMs = Math.max(longest.cpuMs, passed.cpuMs);
    last = { wall: performance.now(), cpu: threadCpuMs() };
    return passed;
  };
  const pending = work();
  const call = look();
  let over = false;
  const turns = new Promise((resolve) => {
    const turn = () => {
      look();
      if (over) resolve();
      else setImmediate(turn);
    };
    setImmediate(turn);
  });
  const outcome = await pending;
  over = true;
  // The last turn, in which the promise was settled, counts too.
  await turns;
  return { call, longest, outcome };
}

/** @returns a function that tells whether V8 has collected garbage in `pause` (of {@link pausesOf}), once the turn after it is over. */
export function watchCollections() {
  const spans = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) spans.push([startTime, startTime + duration]);
  }).observe({ entryTypes: ['gc'] });
  return ({ beganMs, wallMs }) => spans.some(([from, to]) => from < beganMs + wallMs && to > beganMs);
}

/** What V8 compiles in the first turns of a program, of Node's immediates and timers and of this file, is not to be counted as anybody's pause: this comes before. */
export async function turnBefore() {
  await pausesOf(() => new Promise((resolve) => setTimeout(resolve, 10)));
}
