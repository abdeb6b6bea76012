// Hooks around a fork, seen from inside the process: when they go off, that they stay off, and that they come back once.
import { channel, subscribe } from 'node:diagnostics_channel';
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { join } from 'node:path';
import { childOnly, digest, fixture, forker, inChild, native, parentOnly, pronghorn, resetChain, rest, scenarios, settings, turn, untilSampled } from '../helpers/forking.mjs';
import { ORDER } from '../../build/lib/fork/component.js';
import { recordingWorker, untilHeld } from '../helpers/held.mjs';

const { start, resetAfterFork } = pronghorn;
const api = native();
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const options = { intervalMicros: 1_000 };
/** Under `register` the original was replaced before this program began. */
const isOurs = (execve) => execve !== undefined && Function.prototype.toString.call(execve).includes('isAwake');

/**
 * How often our hooks are entered for each end of a collection while `work` collects: 1 if they are on once. V8 may well collect
 * more than it is asked to, so the fixture's own hooks say how often.
 */
function perCollection(work) {
  forker.collectionHooks();
  const before = collections();
  work();
  const after = collections();
  return (after.ours - before.ours) / (after.all - before.all);
}

/** Both counts of the same moment: reading ours allocates, so a collection may come between them. */
function collections() {
  for (;;) {
    const all = forker.collectionHooks();
    const ours = api.inspect().entries.collection;
    if (forker.collectionHooks() === all) return { ours, all };
  }
}

/** The state of all hooks, in this process, now. */
function hooks() {
  const { running, forked, session, signal, faultHandlersInstalled, terminationSignals, tickerThreadId, slots } = api.inspect();
  return {
    running,
    forked,
    session,
    disposition: fixture.dispositionOf(signal).replace(/^.*\//, ''),
    faults: faultHandlersInstalled,
    termination: terminationSignals,
    ticker: tickerThreadId !== 0,
    buffered: slots[0].buffered,
    thread: slots[0].threadId === forker.gettid(),
    execve: isOurs(process.execve),
    exit: process.listenerCount('exit'),
    exec: channel('pronghorn:exec').hasSubscribers,
    workers: channel('worker_threads').hasSubscribers,
    collection: perCollection(() => collect({ type: 'minor' })),
  };
}

/** How often hooks and handlers are entered while `work` runs. */
async function entered(work) {
  const before = api.inspect().entries;
  await work();
  const after = api.inspect().entries;
  return Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]]));
}

/** Everything that would make a hook of ours run: work, garbage collections, turns of the loop. */
async function provoke() {
  for (let round = 0; round < 5; round++) {
    childOnly(10);
    collect();
    collect({ type: 'minor' });
    await turn();
  }
}

await scenarios({
  // An observer stands behind every component of the chain, in every round, and looks at the process.
  async order() {
    const profiler = start(options);
    // `register` has armed its own.
    if (!settings.register) api.armTermination({ signals: [15], path: join(settings.out, 'never.pb.gz') });
    const chain = resetChain();
    const seen = [];
    const observer = (name) => {
      const look = (round) => () => seen.push({ round, name, ...hooks() });
      return { name, hooksOff: look('hooks off'), resetAfterFork: look('reset'), start: look('start'), started: look('started') };
    };
    for (const name of ORDER) chain.join(observer(name));
    untilSampled(() => profiler.stats().samples, parentOnly);
    const parent = hooks();
    const { value } = await inChild(() => {
      const before = hooks();
      // Each of these would be seen if a hook were on.
      resetAfterFork();
      untilSampled(() => profiler.stats().samples, childOnly);
      const after = hooks();
      const { names } = digest(profiler.stopSync());
      return { before, seen, after, names };
    });
    const still = hooks();
    await profiler.stop();
    return { order: ORDER, parent, still, ...value };
  },

  // Between the fork and the reset: collections, signals by hand, work. Nothing is recorded, and nobody waits for a lock that a thread of the parent's holds.
  async limbo() {
    const profiler = start(options);
    const worker = await recordingWorker();
    const results = [];
    for (const moment of ['recorder-lock', 'rotation', undefined]) {
      untilSampled(() => profiler.stats().samples, parentOnly);
      await turn();
      let rotation;
      if (moment !== undefined) {
        api.failpointHold(moment);
        if (moment === 'rotation') rotation = profiler.rotate();
        untilHeld(moment);
      }
      const child = await inChild(async () => {
        let message;
        subscribe('pronghorn:fork:reset', (reset) => (message = reset));
        const { signal } = api.inspect();
        const began = process.hrtime.bigint();
        const counts = await entered(() => {
          for (let round = 0; round < 5; round++) {
            parentOnly(6);
            collect();
            collect({ type: 'minor' });
            forker.sendSignal(forker.gettid(), signal);
          }
        });
        const unprofiled = process.hrtime.bigint() - began;
        resetAfterFork();
        const { samples, gcSamples, recorded, forgedSignals } = profiler.stats();
        untilSampled(() => profiler.stats().samples, childOnly);
        const { names, count } = digest(profiler.stopSync());
        return { counts, unprofiled, message, stats: { samples, gcSamples, recorded, forgedSignals }, names, count };
      });
      if (moment !== undefined) api.failpointRelease(moment);
      await rotation;
      results.push({ moment, ...child.value });
    }
    await worker.terminate();
    await profiler.stop();
    return { results, gaveUp: api.failpointGaveUp() };
  },

  // After a stop, in parent and child, and where the policy says stop: nothing of ours runs, and a late signal does not kill.
  async off() {
    const profiler = start({ ...options, afterFork: settings.afterFork });
    untilSampled(() => profiler.stats().samples, parentOnly);
    const { value: child } = await inChild(async () => {
      await turn();
      if (settings.afterFork === 'restart') {
        untilSampled(() => profiler.stats().samples, childOnly);
        await profiler.stop();
      }
      return quiet();
    });
    await profiler.stop();
    return { child, parent: await quiet() };
  },

  // The same work enters each hook as often in the child as in the parent: nothing is enabled twice.
  async once() {
    const profiler = start(options);
    untilSampled(() => profiler.stats().samples, parentOnly);
    const measure = async () => {
      const minor = perCollection(() => collect({ type: 'minor' }));
      const major = perCollection(() => collect());
      const loop = await entered(async () => {
        for (let round = 0; round < 10; round++) await rest(1);
      });
      const { slots, recorder } = api.inspect();
      return { minor, major, poll: loop.poll, armed: slots.filter((slot) => slot.armed).length, recorder: recorder !== undefined };
    };
    const parent = await measure();
    const generations = async (depth) => {
      resetAfterFork();
      const own = await measure();
      const below = depth > 1 ? (await inChild(() => generations(depth - 1))).value : [];
      profiler.stopSync();
      return [own, ...below];
    };
    const children = (await inChild(() => generations(3), { deadlineMs: 20_000 })).value;
    await profiler.stop();
    return { parent, children };
  },
});

/** Nothing is entered while everything happens that would enter it; then signals come late. */
async function quiet() {
  const { signal } = api.inspect();
  const counts = await entered(provoke);
  const disposition = fixture.dispositionOf(signal).replace(/^.*\//, '');
  const byHand = await entered(() => {
    for (let round = 0; round < 3; round++) {
      forker.sendSignal(forker.gettid(), signal);
      forker.kill(forker.getpid(), signal);
    }
  });
  // Blocked from here on: one that somebody still sends would wait.
  fixture.blockSignal(signal, 1);
  await provoke();
  const pending = forker.pendingSignals();
  fixture.blockSignal(signal, 0);
  const { running, tickerThreadId, slots } = api.inspect();
  return { counts, disposition, byHand: byHand.handler, pending, running, ticker: tickerThreadId, hooked: slots.some((slot) => slot.hooked) };
}
