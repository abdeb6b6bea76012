// What a child's profile holds: its own work since the reset, all of it, and nothing else; and the parent's is as if nobody had forked.
import { subscribe } from 'node:diagnostics_channel';
import { childOnly, digest, forker, inChild, native, parentOnly, pronghorn, rest, scenarios, settings, TEST_OPTIONS } from '../helpers/forking.mjs';
import { recordingWorker, until, untilHeld } from '../helpers/held.mjs';

const { start, resetAfterFork } = pronghorn;
const hook = settings.v8Version === undefined ? {} : { [TEST_OPTIONS]: { v8Version: settings.v8Version } };
const options = { intervalMicros: 1_000, ...hook };
const nanos = () => process.hrtime.bigint();

/** Ends the profile, between two looks at the clock. */
async function end(profiler) {
  const before = forker.clockNanos(0);
  const last = profiler.stop();
  const after = forker.clockNanos(0);
  return { profile: await last, before, after };
}

/** The clocks around a stretch of work. */
function measured(work) {
  const before = { wall: nanos(), cpu: forker.threadCpuNanos(0) };
  work();
  return { wall: Number(nanos() - before.wall), cpu: forker.threadCpuNanos(0) - before.cpu };
}

await scenarios({
  // Sums, names, times and numbers of parent and child.
  async sums() {
    const { kind } = settings;
    const profiler = start(options);
    parentOnly(100);
    const rotated = forker.clockNanos(0);
    const first = await profiler.rotate();
    let parent = measured(() => parentOnly(150));
    const statsBefore = profiler.stats();
    const child = await inChild(
      async () => {
        let reset;
        subscribe('pronghorn:fork:reset', (message) => (reset = message));
        const cpuBefore = forker.threadCpuNanos(0);
        const realBefore = forker.clockNanos(0);
        resetAfterFork();
        const realAfter = forker.clockNanos(0);
        // Lifetime statistics of the parent's would show here.
        const stats = profiler.stats();
        const work = measured(() => childOnly(settings.ms));
        const cpu = forker.threadCpuNanos(0) - cpuBefore;
        const { profile, before, after } = await end(profiler);
        return {
          ...digest(profile),
          work,
          cpuOfThread: cpu,
          realBefore,
          realAfter,
          stopped: [before, after],
          reset,
          statsAtReset: { samples: stats.samples, recorded: stats.recorded, serializations: stats.serializations, signalsSent: stats.signalsSent, gcSamples: stats.gcSamples, forks: stats.forks },
          sequence: profile.sequence,
          processId: profile.processId,
          runtimeId: profile.runtimeId,
          pid: forker.getpid(),
          tid: forker.gettid(),
          frames: profiler.capabilities.frames,
        };
      },
      { kind, deadlineMs: 20_000 },
    );
    const more = measured(() => parentOnly(150));
    parent = { wall: parent.wall + more.wall, cpu: parent.cpu + more.cpu };
    const { profile: last, before, after } = await end(profiler);
    return {
      child: child.value,
      parent: { ...digest(last), work: parent, sequence: last.sequence, runtimeId: last.runtimeId, tid: forker.gettid(), stopped: [before, after], rotated, firstEnd: first.endTimeNanos, statsBefore: statsBefore.samples, stats: last.stats },
    };
  },

  // The first period begins exactly at the reset's clock reading.
  async reading() {
    const profiler = start({ ...options, [TEST_OPTIONS]: { resetReading: undefined } });
    parentOnly(30);
    const reading = native().readClock();
    // A reading that no clock would give at the reset: a little in the past.
    reading.realtimeNanos -= 12_345_678n;
    await profiler.stop();
    const again = start({ ...options, [TEST_OPTIONS]: { resetReading: reading } });
    parentOnly(30);
    const { value } = await inChild(async () => {
      resetAfterFork();
      childOnly(30);
      const one = digest(await again.rotate());
      const two = digest(await again.stop());
      return { one, two };
    });
    await again.stop();
    return { reading: reading.realtimeNanos, ...value };
  },

  // Samples are proved present in both slots; after the reset two serializes return none of them.
  async bothSlots() {
    const api = native();
    const profiler = start(options);
    const worker = await recordingWorker();
    const results = [];
    for (let index = 0; index < settings.count; index++) {
      const wanted = index % 2;
      if (api.inspect().recorder.active !== wanted) await profiler.rotate();
      parentOnly(15);
      await rest(2);
      const { active } = api.inspect().recorder;
      api.failpointHold('mid-flip');
      const rotation = profiler.rotate();
      untilHeld('mid-flip');
      // Recording goes to slot one if it is free. If it is the active one, somebody else has to be in it for slot two to be used.
      if (active === 0) {
        api.failpointHold('recorder-lock');
        untilHeld('recorder-lock');
      }
      parentOnly(15);
      // The loop turns: this thread records what it has.
      await rest(2);
      if (active === 0) api.failpointRelease('recorder-lock');
      await until(() => api.inspect().recorder.samples.every((samples) => samples > 0));
      const { samples } = api.inspect().recorder;
      const child = await inChild(async () => {
        resetAfterFork();
        const periods = [await profiler.rotate(), await profiler.rotate()];
        childOnly(20);
        periods.push(await profiler.stop());
        return periods.map((profile) => {
          const { parent, child: own, cpu, count } = digest(profile);
          return { parent, child: own, cpu, count };
        });
      });
      api.failpointRelease('mid-flip');
      const rotated = digest(await rotation);
      results.push({ active, samples, child: child.value, parent: rotated.parent });
    }
    await worker.terminate();
    const gaveUp = api.failpointGaveUp();
    await profiler.stop();
    return { results, gaveUp };
  },
});
