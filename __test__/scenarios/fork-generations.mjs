// Many forks: side by side, and one inside the other. What each generation costs, counted.
import { readdirSync, readFileSync } from 'node:fs';
import { readProfile } from '../helpers/pprof.mjs';
import { childOnly, digest, fixture, forker, inChildOnTime, native, parentOnly, pronghorn, scenarios, settings, turn, untilSampled } from '../helpers/forking.mjs';

const { start, resetAfterFork } = pronghorn;
const api = native();

const threadNames = () => readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim());

/** What this process has, by the kernel's word and by the accessors'. */
function counted() {
  const { liveBytes, mappings, mappedBytes, signal, handlerInstalled, slots, tickerThreadId } = api.inspect();
  const names = threadNames();
  const ours = (number) => /pronghorn[^/]*\.node$/.test(fixture.dispositionOf(number));
  return {
    liveBytes,
    mappings,
    mappedBytes,
    signal,
    handlerInstalled,
    signals: Array.from({ length: 31 }, (_, index) => 34 + index).filter(ours),
    armed: slots.filter((slot) => slot.armed).length,
    slots: slots.length,
    ticker: tickerThreadId,
    tickers: names.filter((name) => name === 'pronghorn').length,
    threads: names.length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

/** A generation's life: it is reset, is sampled, and delivers a period; and is counted at the end of it, still running. */
async function live(profiler, index) {
  if (index % 2 === 0) resetAfterFork();
  else await turn();
  // The thread for its profiles is made in the turns behind that.
  for (let turns = 0; turns < 100 && !threadNames().includes('pronghorn-work'); turns++) await turn();
  untilSampled(() => profiler.stats().samples, childOnly);
  return { forks: profiler.stats().forks, generation: api.forkState().generation, pid: forker.getpid(), counted: counted() };
}

/** Functions of the program, four stacks of them, each sampled whole: what a profiler keeps of each must not be kept once more by each generation. */
const STACKS = 4;
const DEPTH = 500;

const generated = Array.from({ length: STACKS }, (_stack, stack) => {
  const name = (depth) => `generated_${stack}_${depth}`;
  const inner = (depth) => `function ${name(depth)}(work) { return ${depth === 0 ? 'work()' : `${name(depth - 1)}(work)`} + ${depth}; }`;
  const functions = Array.from({ length: DEPTH }, (_depth, depth) => inner(depth));
  // oxlint-disable-next-line no-eval -- functions that no other program has, in scripts of their own
  return (0, eval)(`${functions.join('\n')}\n${name(DEPTH - 1)};\n//# sourceURL=generated-${stack}.js`);
});

const burnGenerated = (profiler) => {
  for (const burn of generated) burn(() => untilSampled(() => profiler.stats().samples, childOnly));
};

/** How many of them a profile names. */
function generatedIn(profile) {
  const names = readProfile(profile.data).samples.flatMap(({ stack }) => stack.map((frame) => frame.name));
  return new Set(names.filter((name) => name.startsWith('generated_'))).size;
}

await scenarios({
  async siblings() {
    const profiler = start({ intervalMicros: 1_000 });
    untilSampled(() => profiler.stats().samples, parentOnly);
    await profiler.rotate();
    const children = [];
    const parent = [];
    let tries = 0;
    for (let index = 0; index < settings.count; index++) {
      const { value, late } = await inChildOnTime(async () => {
        const lived = await live(profiler, index);
        const { failure } = profiler;
        const last = profiler.stopSync();
        const { names, count, cpu } = digest(last);
        // What else there is, for the reader of a failure.
        const instead = names.includes('childOnly') ? {} : { index, count, cpu, failure: failure?.message, stats: last.stats };
        return { ...lived, names, ...instead };
      });
      children.push(value);
      tries += 1 + late;
      untilSampled(() => profiler.stats().samples, parentOnly, { atLeast: 1 });
      await turn();
      parent.push(counted());
    }
    const { forks, lateForks } = profiler.stats();
    const { names } = digest(await profiler.stop());
    return { children, parent, tries, forks, lateForks, names };
  },

  // As `nested`, in a program of many functions.
  async functions() {
    const profiler = start({ intervalMicros: 1_000, maxDepth: 1_000 });
    burnGenerated(profiler);
    const inParent = generatedIn(await profiler.rotate());
    const deeper = async (depth) => {
      if (depth % 2 === 0) resetAfterFork();
      else await turn();
      burnGenerated(profiler);
      const first = generatedIn(await profiler.rotate());
      // The slot that is open at the next fork holds them too, once the loop has come round: that is what a child abandons.
      burnGenerated(profiler);
      await turn();
      const lived = { counted: counted(), functions: first };
      const below = depth === settings.count ? [] : (await inChildOnTime(() => deeper(depth + 1), { deadlineMs: 50_000, pollMs: 20 })).value;
      profiler.stopSync();
      return [lived, ...below];
    };
    const generations = (await inChildOnTime(() => deeper(1), { deadlineMs: 55_000, pollMs: 20 })).value;
    await profiler.stop();
    return { generations, inParent };
  },

  async nested() {
    const profiler = start({ intervalMicros: 1_000 });
    untilSampled(() => profiler.stats().samples, parentOnly);
    const deeper = async (depth) => {
      const lived = await live(profiler, depth);
      const below = depth === settings.count ? [] : (await inChildOnTime(() => deeper(depth + 1), { deadlineMs: 50_000, pollMs: 20 })).value;
      // The only one who is counted after the children have ended.
      const after = counted();
      const profile = profiler.stopSync();
      return [{ ...lived, after, names: digest(profile).names, sequence: profile.sequence, processId: profile.processId }, ...below];
    };
    const generations = (await inChildOnTime(() => deeper(1), { deadlineMs: 55_000, pollMs: 20 })).value;
    const { names } = digest(await profiler.stop());
    return { generations, names };
  },
});
