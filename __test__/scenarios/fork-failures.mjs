// Steps of the reset that fail in a real child, those of the native half among them: what is off, what is said, and who tries again.
import { subscribe } from 'node:diagnostics_channel';
import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  childOnly, digest, forker, inChild, native, parentOnly, pronghorn, rest, scenarios, settings, TEST_OPTIONS, turn, untilSampled,
} from '../helpers/forking.mjs';
import { until, untilHeld } from '../helpers/held.mjs';

const { start, resetAfterFork } = pronghorn;
const api = native();
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const sampled = (profiler, burn) => untilSampled(() => profiler.stats().samples, burn, { ms: 5_000 });

/**
 * A step fails once: one of the native half by its name, one of the chain by that of its debug line. What is armed in the native half stays so in the parent,
 * until another one is: those of the chain come first.
 */
const failing = (step) => (step.includes(':') || step === 'stay off' ? { failResetStep: { step, times: 1 } } : { injectPanic: step });

const codeOf = (act) => {
  try {
    act();
    return 'none';
  } catch (error) {
    return error.code ?? String(error);
  }
};

/** What is on in this process. */
function on() {
  const { running, tickerThreadId, slots, faultHandlersInstalled, terminationSignals } = api.inspect();
  // Before the collector is reset its number is that of the parent's.
  const ticker = tickerThreadId !== 0 && existsSync(`/proc/self/task/${tickerThreadId}`);
  const [hooked, armed] = ['hooked', 'armed'].map((what) => slots.some((slot) => slot[what]));
  return { running, ticker, hooked, armed, faults: faultHandlersInstalled, termination: terminationSignals };
}

/** What is published from now on, and what is on and what an API call comes to at that moment. */
function listen(profiler) {
  const heard = [];
  for (const name of ['error', 'fork:reset']) {
    subscribe(`pronghorn:${name}`, ({ error, restarted, reason }) => {
      const said = { code: error?.code, text: error?.message ?? reason, cause: error?.cause?.message, restarted };
      heard.push({ name, ...said, on: on(), stats: codeOf(() => profiler.stats()) });
    });
  }
  return heard;
}

/** Turns the loop, and calls nothing of the package, until the reset has come to its end. */
const untilReset = (heard) => until(() => heard.some(({ name, text }) => name === 'fork:reset' && !/until a reset succeeds/.test(text ?? '')), 8_000);

/** How often hooks and handlers are entered while everything happens that would enter them. */
async function entered() {
  const before = api.inspect().entries;
  for (let round = 0; round < 5; round++) {
    childOnly(10);
    collect();
    collect({ type: 'minor' });
    await turn();
  }
  const after = api.inspect().entries;
  return Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]]));
}

/** Runs `child` in a child whose reset fails once at each of the steps in turn, and stops the parent's profiler. */
async function each(options, child) {
  const results = {};
  for (const step of settings.steps) {
    const profiler = start({ intervalMicros: 1_000, ...options, [TEST_OPTIONS]: failing(step) });
    sampled(profiler, parentOnly);
    const { value } = await inChild(() => child(profiler), { deadlineMs: 20_000 });
    sampled(profiler, parentOnly);
    const { names } = digest(await profiler.stop());
    results[step] = { ...value, parent: names };
  }
  return results;
}

await scenarios({
  /** The loop alone: it makes the first attempt, and the second. */
  loop: () =>
    each({}, async (profiler) => {
      const heard = listen(profiler);
      const done = await untilReset(heard);
      sampled(profiler, childOnly);
      return { done, heard, names: digest(await profiler.stop()).names };
    }),

  /** A call into the API makes the first attempt, and the loop the second. A rotation is pending from the parent. */
  async call() {
    const results = {};
    for (const step of settings.steps) {
      for (const [name, use] of Object.entries({ resetAfterFork, stats: undefined })) {
        const profiler = start({ intervalMicros: 1_000, [TEST_OPTIONS]: failing(step) });
        sampled(profiler, parentOnly);
        // Held before its end, so that no promise of the parent's calls into the package in the child.
        api.failpointHold('rotation');
        const rotation = profiler.rotate();
        untilHeld('rotation');
        const { value } = await inChild(
          async () => {
            const heard = listen(profiler);
            const settled = [];
            rotation.then(() => settled.push('resolved'), (error) => settled.push(error.code));
            const first = codeOf(use ?? (() => profiler.stats()));
            const told = heard.length;
            // Reactions to a promise run, the loop does not turn.
            await Promise.resolve();
            const early = settled.length;
            const done = await untilReset(heard);
            await turn();
            sampled(profiler, childOnly);
            return { first, told, early, settled, done, heard, names: digest(await profiler.stop()).names };
          },
          { deadlineMs: 20_000 },
        );
        api.failpointRelease('rotation');
        await rotation;
        await profiler.stop();
        results[`${step}, by ${name}`] = value;
      }
    }
    return results;
  },

  /** Off by policy, after an attempt that failed: the loop is not looked at any more. */
  stop: () =>
    each({ afterFork: 'stop' }, async (profiler) => {
      const heard = listen(profiler);
      const done = await untilReset(heard);
      return { done, heard, counts: await entered(), on: on(), forked: api.forkState().forked };
    }),

  /** The system makes no thread for the child: the ticker cannot start, now or later. */
  async threads() {
    const profiler = start({ intervalMicros: 1_000 });
    sampled(profiler, parentOnly);
    const { value } = await inChild(async () => {
      const heard = listen(profiler);
      const denied = forker.denyThreads();
      // At least two attempts of the loop's.
      await until(() => heard.filter(({ name }) => name === 'fork:reset').length >= 2, 8_000);
      const byLoop = heard.length;
      const calls = [codeOf(resetAfterFork), codeOf(() => start({ intervalMicros: 1_000 })), codeOf(() => profiler.stats())];
      const { signal } = api.inspect();
      collect();
      childOnly(20);
      for (let round = 0; round < 3; round++) forker.sendSignal(forker.gettid(), signal);
      await rest(5);
      return { denied, byLoop, heard: heard.slice(0, 4), calls, on: on(), forked: api.forkState().forked };
    });
    sampled(profiler, parentOnly);
    return { child: value, parent: digest(await profiler.stop()).names };
  },
});
