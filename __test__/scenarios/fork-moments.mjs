// Forks at the worst moments: while another thread is held at a place in the profiler, or from inside our own handler and hooks.
//
// Each scenario forks `settings.count` times in one process. Every child runs JavaScript, is reset (by itself or by a call, in turns), burns, and proves
// its profile; the parent proves after each that it still samples, and at the end that its profile is whole.
import { asChild, childOnly, DIES_WITH_PARENT, digest, forker, emit, inChild, native, never, outcome, PAGES, parentOnly, pronghorn, rest, scenarios, settings, TEST_OPTIONS, turn, untilSampled, WHOLE } from '../helpers/forking.mjs';
import { recordingWorker, until, untilHeld, untilTickerHeld } from '../helpers/held.mjs';
import { openFiles } from '../helpers/open-files.mjs';
import { readProfile } from '../helpers/pprof.mjs';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { join } from 'node:path';

const { start, resetAfterFork } = pronghorn;
const api = native();
const { moment, count } = settings;

/** The kinds of fork in turns: most are fork(3). */
const kindOf = (index) => (settings.kinds ?? ['fork', 'fork', '_Fork', 'fork', 'clone'])[index % (settings.kinds?.length ?? 5)];

/** The parent computes until it is sampled. */
const sampledOn = (profiler) => untilSampled(() => profiler.stats().samples, parentOnly);

/** What every child does. */
async function prove(profiler, index, kind) {
  if (index % 2 === 0) resetAfterFork();
  else await turn();
  const { forked } = api.forkState();
  try {
    const sampled = untilSampled(() => profiler.stats().samples, childOnly);
    const state = sampled === 0 ? { ...api.inspect(), threads: threadStates() } : {};
    const profile = index % 3 === 0 ? await profiler.stop() : profiler.stopSync();
    const { parent, child, names, threads, count: all, cpu } = digest(profile);
    const own = threads.every((thread) => thread === forker.gettid());
    // What else there is, for the reader of a failure.
    const instead = child === 0 ? { index, count: all, cpu, sampled, stacks: stacksOf(profile), stats: profile.stats, ...state } : {};
    return { restarted: true, kind, forked, parent, child, names, own, sequence: profile.sequence, ...instead };
  } catch (error) {
    return { restarted: false, kind, forked, code: error.code, why: whyNot() };
  }
}

const stacksOf = ({ data }) => readProfile(data).samples.map(({ stack, cpu }) => `${cpu} ns: ${stack.map(({ name }) => name).join(' < ')}`);

/** Where the threads of this process stand and which signals they wait for, for the reader of a failure. */
function threadStates() {
  const file = (task, name) => readFileSync(`/proc/self/task/${task}/${name}`, 'utf8');
  return readdirSync('/proc/self/task').map((task) => {
    const status = file(task, 'status').match(/^(Name|State|Sig\w+|\w*voluntary\w+):.*$/gm);
    return [task, file(task, 'syscall').trim(), ...status.map((line) => line.replace(/\s+/g, ' '))].join('; ');
  });
}

/** What start() says in a child in which nothing may be started. */
function whyNot() {
  try {
    start();
    return 'it starts';
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
}

/** Forks from JavaScript while `held` says that a thread stands where it should. */
async function forkHere(profiler, index, { hold, how = {} } = {}) {
  const kind = how.kind ?? kindOf(index);
  const forked = inChild(() => prove(profiler, index, kind), { kind, ...how });
  // In turns: the thread stays where it is until the child has ended, or goes on beside it.
  if (index % 2 === 1 && hold !== undefined) api.failpointRelease(hold);
  return forked;
}

/** Forks inside a handler or a hook: `provoke` runs until that has happened. */
async function forkInside(profiler, index, kind, arm, provoke) {
  forker.armFork(kind, PAGES | DIES_WITH_PARENT);
  arm();
  let pid;
  const end = performance.now() + 5_000;
  while ((pid = forker.lastFork()) === undefined && performance.now() < end) provoke();
  if (pid === undefined || pid < 0) throw new Error(`no fork in ${moment}: ${pid}`);
  if (pid === 0) {
    if (forker.loopFork() !== 0) throw new Error('uv_loop_fork failed');
    await never(asChild(() => prove(profiler, index, kind)));
  }
  return outcome(pid);
}

/** What has a name in the file system and is open here. */
const namesOfOpenFiles = () => openFiles().flatMap(({ file }) => (file.startsWith('/') && !file.endsWith('/fd') ? [file] : []));

let sink = 0;

/** Nothing but arithmetic: the handler interrupts JavaScript, not libc's allocator. */
function provokeSample() {
  for (let index = 0; index < 400_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

/** Fills the young generation. */
function provokeCollection() {
  const list = [];
  for (let index = 0; index < 20_000; index++) list.push({ index, text: `${index}` });
  sink += list.length;
}

/** A rotation whose thread is held at the moment's failpoint. */
async function duringRotation(profiler, index) {
  api.failpointHold(moment);
  const rotation = profiler.rotate();
  untilHeld(moment);
  const child = await forkHere(profiler, index, { hold: moment });
  api.failpointRelease(moment);
  return { child, delivered: digest(await rotation).names.includes('parentOnly') };
}

async function whileTickerIsHeld(profiler, index) {
  // It leaves its place when the fork begins, which waits for it.
  if (settings.released) return atMeeting(profiler, index, moment, MEETING.asItBegins);
  api.failpointHold(moment);
  listThreads();
  untilTickerHeld(moment);
  const child = await forkHere(profiler, index, { hold: moment, how: { kind: settings.kinds?.[0] ?? 'fork' } });
  api.failpointRelease(moment);
  return { child };
}

/** A parent that has made a worker makes the ticker list the threads at once; by itself it does so once a second. */
function listThreads() {
  if (LISTS_THREADS.has(moment)) api.nameThread(forker.gettid(), 'main');
}

/**
 * Forks while the ticker waits at `place`, which it may leave as `when` says (crates/fork-fixture/src/meeting.rs). This thread runs no JavaScript in between: it
 * would wait for the linker's lock, as the ticker's.
 */
async function atMeeting(profiler, index, place, when) {
  const kind = settings.kinds?.[0] ?? 'fork';
  let pid;
  for (let attempt = 0; attempt < 5 && (pid === undefined || pid === -constants.errno.ETIMEDOUT); attempt++) {
    // One that this thread itself comes to, before the call, is spent.
    api.failpointCall(place, forker.meetingFunctionAddress());
    if (when === MEETING.inside) api.failpointCall('linker', forker.notingFunctionAddress());
    listThreads();
    pid = forker.forkAtMeeting(kind, WHOLE, when);
  }
  if (pid < 0) throw new Error(`no fork at ${place}: ${pid}`);
  if (pid === 0) return never(asChild(() => prove(profiler, index, kind)));
  return { child: await outcome(pid) };
}

const MEETING = { after: 0, inside: 1, asItBegins: 2 };

const LISTS_THREADS = new Set(['ticker-tasks', 'ticker-names']);

const moments = {
  async 'slot one active'(profiler, index) {
    return activeIs(0, profiler, index);
  },
  async 'slot two active'(profiler, index) {
    return activeIs(1, profiler, index);
  },
  'mid-flip': duringRotation,
  'mid-ready': duringRotation,
  'mid-serialize': duringRotation,
  rotation: duringRotation,
  symbolizer: duringRotation,
  'ticker-registration': whileTickerIsHeld,
  'ticker-v8': whileTickerIsHeld,
  'ticker-images': whileTickerIsHeld,
  'ticker-tasks': whileTickerIsHeld,
  'ticker-names': whileTickerIsHeld,
  linker: (profiler, index) => atMeeting(profiler, index, 'linker', MEETING.after),
  'before the linker': (profiler, index) => atMeeting(profiler, index, 'ticker-images', MEETING.inside),
  async 'ticker-parking'(profiler, index) {
    api.failpointHold(moment);
    await until(() => api.failpointIsHeld(moment));
    if (!api.failpointIsHeld(moment)) throw new Error('the ticker did not come to park');
    const child = await forkHere(profiler, index, { hold: moment });
    api.failpointRelease(moment);
    return { child };
  },
  async 'recorder-lock'(profiler, index) {
    await rest(3);
    api.failpointHold(moment);
    untilHeld(moment);
    const child = await forkHere(profiler, index, { hold: moment });
    api.failpointRelease(moment);
    return { child };
  },
  async 'mid-sample'(profiler, index) {
    const kind = kindOf(index);
    const child = await forkInside(profiler, index, kind, () => api.failpointCall(moment, forker.forkFunctionAddress()), provokeSample);
    return { child };
  },
  // The ticker asks for what is sampled to be read when it has waited for a tenth of a second.
  async 'mid-drain'(profiler, index) {
    return { child: await forkInside(profiler, index, kindOf(index), () => api.failpointCall(moment, forker.forkFunctionAddress()), provokeSample) };
  },
  async gc(profiler, index) {
    const kind = kindOf(index);
    const provoke = index % 4 === 0 ? globalThis.gc : provokeCollection;
    const child = await forkInside(profiler, index, kind, () => api.failpointCall(moment, forker.forkFunctionAddress()), provoke);
    return { child };
  },
  async 'gc prologue'(profiler, index) {
    return { child: await forkInside(profiler, index, kindOf(index), () => forker.forkInGc('prologue'), index % 4 === 0 ? globalThis.gc : provokeCollection) };
  },
  async 'gc epilogue'(profiler, index) {
    return { child: await forkInside(profiler, index, kindOf(index), () => forker.forkInGc('epilogue'), index % 4 === 0 ? globalThis.gc : provokeCollection) };
  },
};

async function activeIs(slot, profiler, index) {
  if (api.inspect().recorder.active !== slot) await profiler.rotate();
  sampledOn(profiler);
  await turn();
  const { active, samples } = api.inspect().recorder;
  if (active !== slot || samples[slot] === 0) throw new Error(`slot ${active} is active and holds ${samples} samples`);
  return { child: await forkHere(profiler, index) };
}

await scenarios({
  async fork() {
    setFlagsFromString('--expose-gc');
    globalThis.gc ??= (await import('node:vm')).runInNewContext('gc');
    const hook = { ...(moment.startsWith('ticker-') && { intervalNanos: 100_000 }), ...(settings.v8Version && { v8Version: settings.v8Version }) };
    const profiler = start({ intervalMicros: 1_000, [TEST_OPTIONS]: hook });
    const worker = moment === 'recorder-lock' ? await recordingWorker() : undefined;
    const results = [];
    for (let index = 0; index < count; index++) {
      sampledOn(profiler);
      const { child, delivered = true } = await moments[moment](profiler, index);
      results.push({ ...child.value, delivered, sampledOn: sampledOn(profiler) });
    }
    await worker?.terminate();
    const gaveUp = api.failpointGaveUp();
    const last = await profiler.stop();
    return { results, gaveUp, noted: forker.notedInForks(), last: digest(last), stats: last.stats };
  },

  // The work thread reads symbols out of an image's file: it has that open until all children have ended. The ticker has its own open all the time.
  async symbols() {
    const before = new Set(namesOfOpenFiles());
    const ours = () => namesOfOpenFiles().filter((file) => !before.has(file));
    const profiler = start({ intervalMicros: 1_000 });
    sampledOn(profiler);
    api.failpointHold(moment);
    const rotation = profiler.rotate();
    untilHeld(moment);
    const results = [];
    for (let index = 0; index < count; index++) {
      const kind = kindOf(index);
      const child = await inChild(
        async () => {
          const inherited = ours();
          const proved = await prove(profiler, index, kind);
          return { ...proved, inherited, open: ours() };
        },
        { kind },
      );
      results.push({ ...child.value, delivered: true, sampledOn: sampledOn(profiler) });
    }
    const gaveUp = api.failpointGaveUp();
    api.failpointRelease(moment);
    const { names } = digest(await rotation);
    await profiler.stop();
    return { results, gaveUp, names, open: ours() };
  },

  // The watcher is about to write the last profile, since a signal ends the process: it is held until all children have ended.
  async watcher() {
    const profiler = start({ intervalMicros: 1_000 });
    const path = join(settings.out, 'last.pb.gz');
    api.armTermination({ signals: [15], path });
    sampledOn(profiler);
    api.failpointHold('watcher');
    forker.kill(forker.getpid(), 15);
    untilHeld('watcher');
    const results = [];
    for (let index = 0; index < count; index++) {
      const child = await inChild(() => prove(profiler, index, kindOf(index)), { kind: kindOf(index) });
      results.push({ ...child.value, delivered: true, sampledOn: 1 });
    }
    emit('report', { results, gaveUp: api.failpointGaveUp(), path });
    api.failpointRelease('watcher');
    // The signal ends the process.
    await rest(10_000);
  },
});
