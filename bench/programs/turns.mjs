// How long something keeps the main thread: the longest turn of the event loop while it goes on, by the wall clock and by the thread's CPU clock. crates/turn-fixture measures, which
// `npm run bench` builds.
import { createRequire } from 'node:module';

const meter = createRequire(import.meta.url)('../../__test__/fixture-addon/turn-fixture.node');
/** As `figures` of crates/turn-fixture/src/meter.rs has them. */
const FIGURE = { callWall: 0, callCpu: 1, callCollected: 2, longestWall: 3, longestCollected: 4, longestCpu: 5, turns: 6 };

/**
 * @param {() => Promise<unknown>} work
 * @returns `call`: until it returned its promise; `longest`: of the turns until that was settled, the call's own and the last one included, the longest by each clock. `collected`: whether V8 collected
 *   garbage in it (of `longest`: in the longest by the wall clock). `turns`: how many; `outcome`: what it resolved with
 */
export async function pausesOf(work) {
  meter.begin();
  const pending = work();
  meter.called();
  const outcome = await pending;
  // What else this turn does is of the work as well.
  await new Promise((resolve) => setImmediate(resolve));
  meter.end();
  const figure = (name) => meter.figure(FIGURE[name]);
  const call = { wallMs: figure('callWall') / 1e6, cpuMs: figure('callCpu') / 1e6, collected: figure('callCollected') > 0 };
  const longest = { wallMs: figure('longestWall') / 1e6, cpuMs: figure('longestCpu') / 1e6, collected: figure('longestCollected') > 0 };
  return { call, longest, turns: figure('turns'), outcome };
}

/** What V8 compiles in the first turns of a program, of Node's immediates and timers and of this file, is not to be counted as anybody's pause: this comes before. */
export async function turnBefore() {
  await pausesOf(() => new Promise((resolve) => setTimeout(resolve, 10)));
}
