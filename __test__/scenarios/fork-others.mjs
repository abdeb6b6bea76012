// Forks of other kinds: those that fail, children that never run JavaScript again, a daemon, a profiler that had failed, another instance.
import { spawnSync } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { asChild, childOnly, DIES_WITH_PARENT, digest, emit, forker, inChild, LOOP, native, never, outcome, PAGES, parentOnly, pronghorn, rest, scenarios, settings, TEST_OPTIONS, turn, untilSampled } from '../helpers/forking.mjs';
import { recordingWorker, until, untilHeld, untilTickerHeld } from '../helpers/held.mjs';

const { start, stop, resetAfterFork } = pronghorn;
const options = { intervalMicros: 1_000 };
setFlagsFromString('--expose-gc');
const sampled = (profiler, burn = parentOnly) => untilSampled(() => profiler.stats().samples, burn);

/**
 * Three children of each kind of fork, which the kernel ends if they write, send a signal or wait for a lock. In turns our signal is raised in them, and they fork
 * natively themselves.
 */
function nativeChildren(index, signal) {
  return ['fork', '_Fork', 'clone'].map((kind) => forker.forkNativeOnly(kind, 40, index % 2 === 0 ? signal : 0, index % 4 < 2 ? 0 : 1, 'watched'));
}

await scenarios({
  // The system refuses every fork: the parent goes on as if nothing had been tried.
  async failing() {
    const profiler = start(options);
    parentOnly(100);
    const before = profiler.stats();
    const denied = forker.denyForks();
    const errors = [];
    const began = process.hrtime.bigint();
    const cpuBegan = forker.threadCpuNanos(0);
    for (let index = 0; index < 30; index++) {
      for (const kind of ['fork', '_Fork', 'clone']) errors.push(forker.fork(kind, PAGES | LOOP | DIES_WITH_PARENT));
      parentOnly(10);
    }
    const wall = Number(process.hrtime.bigint() - began);
    const cpu = forker.threadCpuNanos(0) - cpuBegan;
    const spawned = spawnSync(process.execPath, ['--version']).error?.code;
    const after = profiler.stats();
    const { forked, generation } = native().forkState();
    const profile = await profiler.stop();
    return { denied, errors, spawned, forked, generation, wall, cpu, samples: after.samples - before.samples, forks: after.forks - before.forks, late: after.lateForks, reset: resetAfterFork(), ...digest(profile), own: forker.gettid() };
  },

  // Children that sleep, compute and call libc natively, with our signal raised by hand a hundred times; some fork natively themselves.
  async nativeOnly() {
    const profiler = start(options);
    const { signal } = profiler.capabilities;
    sampled(profiler);
    const statuses = [];
    for (let index = 0; index < settings.count; index++) {
      const pids = nativeChildren(index, signal);
      sampled(profiler);
      for (const pid of pids) statuses.push((await outcome(pid)).status);
    }
    const profile = await profiler.stop();
    return { statuses, ...digest(profile), stats: profile.stats };
  },

  // The same, where another thread holds a lock of ours from before the forks until all children have ended.
  async nativeOnlyHeld() {
    const { moment, count } = settings;
    const isOfTicker = moment.startsWith('ticker-');
    const profiler = start({ ...options, ...(isOfTicker && { [TEST_OPTIONS]: { intervalNanos: 100_000 } }) });
    const { signal } = profiler.capabilities;
    sampled(profiler);
    const worker = moment === 'recorder-lock' ? await recordingWorker() : undefined;
    const statuses = [];
    const held = [];
    for (let index = 0; index < count; index++) {
      native().failpointHold(moment);
      const rotation = moment === 'symbolizer' ? profiler.rotate() : undefined;
      // A parent that has made a worker makes the ticker list the threads at once.
      if (moment === 'ticker-names') native().nameThread(forker.gettid(), 'main');
      if (isOfTicker) untilTickerHeld(moment);
      else untilHeld(moment);
      for (const pid of nativeChildren(index, signal)) statuses.push((await outcome(pid)).status);
      held.push(native().failpointIsHeld(moment));
      native().failpointRelease(moment);
      await rotation;
      sampled(profiler);
    }
    await worker?.terminate();
    const gaveUp = native().failpointGaveUp();
    const profile = await profiler.stop();
    return { statuses, held, gaveUp, stats: profile.stats };
  },

  // What watches the children above: each of these does a thing for which it is to end.
  async nativeOnlyBreaches() {
    start(options);
    const ends = [];
    for (const watch of ['watched', 'writes', 'sends', 'waits']) {
      const pid = forker.forkNativeOnly('fork', 10, 0, 0, watch);
      ends.push([watch, await outcome(pid).then(({ status }) => status, (error) => /ended with (.*)|hangs/.exec(error.message)[0])]);
    }
    return ends;
  },

  // Children that stay native, and are ended by a signal for which the parent has a last profile to write.
  async nativeOnlyTerminated() {
    // register's own, whose options these are.
    const profiler = start(options);
    sampled(profiler);
    const ends = [];
    for (const number of [15, 2, 1]) {
      const pids = ['fork', '_Fork', 'clone'].map((kind) => forker.forkNativeOnly(kind, 8_000, 0));
      // In the middle of what they do.
      await rest(20);
      for (const pid of pids) forker.kill(pid, number);
      for (const pid of pids) ends.push([number, await outcome(pid).then(({ status }) => status, (error) => /ended with (.*)|hangs/.exec(error.message)[0])]);
    }
    sampled(profiler);
    return { ends, pid: forker.getpid() };
  },

  // A classical daemon: two forks, whose parents end at once.
  async daemon() {
    const profiler = start(options);
    sampled(profiler);
    const { generation } = native().forkState();
    const result = forker.daemonize(settings.kind, PAGES | LOOP);
    // Only the daemon comes here.
    await never(
      asChild(async () => {
        await turn();
        sampled(profiler, childOnly);
        const one = await profiler.rotate();
        sampled(profiler, childOnly);
        const two = profiler.stopSync();
        emit('daemon', { result, before: generation, generation: native().forkState().generation, first: digest(one), last: digest(two), processId: two.processId, pid: forker.getpid(), tid: forker.gettid(), parent: forker.getppid() });
        writeFileSync(join(settings.out, 'done'), '');
      }),
    );
  },

  // A hook panicked in the parent, which switched the profiler off there; the child starts afresh. The options make the same hook panic there
  // too, so no garbage is collected in it.
  async failed() {
    const collect = runInNewContext('gc');
    const profiler = start({ ...options, [TEST_OPTIONS]: { injectPanic: 'the garbage collection prologue' } });
    sampled(profiler);
    collect();
    // Told before the loop polls, which a timer that is late may come before.
    await until(() => profiler.failure !== undefined);
    collect();
    const before = profiler.failure?.code;
    const child = await inChild(async () => {
      await turn();
      const { failure } = profiler;
      sampled(profiler, childOnly);
      const last = await profiler.stop();
      return { failure: failure?.code, ...digest(last), tid: forker.gettid() };
    });
    const still = profiler.failure?.code;
    await profiler.stop();
    return { before, still, child: child.value };
  },

  // The same where the policy says stop: the failure is the parent's, and the child is off.
  async failedAndStop() {
    const collect = runInNewContext('gc');
    const profiler = start({ ...options, afterFork: 'stop', [TEST_OPTIONS]: { injectPanic: 'the garbage collection prologue' } });
    sampled(profiler);
    collect();
    await until(() => profiler.failure !== undefined);
    const before = profiler.failure?.code;
    const heard = [];
    for (const name of ['error', 'fork:reset']) subscribe(`pronghorn:${name}`, ({ error, restarted, reason }) => heard.push({ name, code: error?.code, restarted, reason }));
    const child = await inChild(async () => {
      await turn();
      const codes = [];
      for (const use of [stop, () => profiler.stop(), () => profiler.rotate()]) await use().catch((error) => codes.push(error.code));
      const off = { failure: profiler.failure?.code, codes, heard: heard.slice(), forked: native().forkState().forked };
      // It may start one that does not fail.
      const own = start(options);
      sampled(own, childOnly);
      return { ...off, names: digest(await own.stop()).names };
    });
    const still = profiler.failure?.code;
    await profiler.stop();
    return { before, still, child: child.value };
  },

  // The child stops what it has inherited and starts another; and the same again.
  async instances() {
    const profiler = start(options);
    sampled(profiler);
    const child = await inChild(async () => {
      const inherited = await profiler.stop();
      const another = start({ intervalMicros: 2_000 });
      sampled(another, childOnly);
      const second = await another.stop();
      const same = start(options);
      sampled(same, childOnly);
      const third = await same.stop();
      return {
        different: another !== profiler && same !== another,
        numbers: [inherited.sequence, second.sequence, third.sequence],
        names: [inherited, second, third].map((profile) => digest(profile).names),
        inOrder: inherited.endTimeNanos <= second.startTimeNanos && second.endTimeNanos <= third.startTimeNanos,
      };
    });
    const running = start(options) === profiler;
    return { child: child.value, running, parent: digest(await profiler.stop()).names };
  },
});
