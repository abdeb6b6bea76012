// When a fork is noticed: before the child's loop first polls; and how long ago it was, by the child's word.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, createServer } from 'node:net';
import { asChild, childOnly, digest, forker, forkNow, inChild, native, never, outcome, parentOnly, pronghorn, scenarios, settings, untilSampled } from '../helpers/forking.mjs';

const { start, resetAfterFork } = pronghorn;
const { kind } = settings;
const { forkState } = native();
const options = { intervalMicros: 1_000 };
const nanos = () => process.hrtime.bigint();

/** Both ends of a connection inside this process. */
async function pair() {
  const server = createServer();
  await new Promise((resolve) => server.listen(`${settings.out}/socket`, resolve));
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const near = connect(`${settings.out}/socket`);
  const far = await accepted;
  server.close();
  return { near, far };
}

/** In the child, called by the timer's callback. */
async function firstData(near, profiler) {
  const { forked: atFork, late } = forkState();
  let resets = 0;
  subscribe('pronghorn:fork:reset', ({ pid }) => (resets += pid === forker.getpid() ? 1 : 100));
  const atData = await new Promise((resolve) => near.once('data', (bytes) => resolve([String(bytes), forkState().forked, resets])));
  // Nothing is started in it.
  if (late) return { late, atFork, atData };
  untilSampled(() => profiler.stats().samples, childOnly);
  return { atFork, atData, names: digest(profiler.stopSync()).names };
}

/** Forks when there is something to read on the connection, for the child. Settles with the child's end. */
function forkWithData({ near, far }, profiler) {
  // libuv writes at once if it can.
  far.write('ready');
  const pid = forkNow({ kind });
  if (pid === 0) return never(asChild(() => firstData(near, profiler)));
  // What there is to read is the child's.
  near.destroy();
  return outcome(pid);
}

/** In the child, which has not been reset yet. */
async function forksInStart(ends, profiler) {
  if (forkState().late) return { late: true };
  const heard = [];
  subscribe('pronghorn:error', ({ error }) => heard.push(error.message));
  const grandchild = await new Promise((resolve, reject) => {
    const onStart = () => {
      unsubscribe('pronghorn:start', onStart);
      void forkWithData(ends, profiler).then(resolve, reject);
    };
    subscribe('pronghorn:start', onStart);
  });
  untilSampled(() => profiler.stats().samples, childOnly);
  return { heard, names: digest(await profiler.stop()).names, grandchild: grandchild.value };
}

await scenarios({
  // A socket has something to read when a timer's callback forks. The first thing that the child's loop polls is that socket.
  async beforeFirstPoll() {
    const profiler = start(options);
    untilSampled(() => profiler.stats().samples, parentOnly);
    const ends = await pair();
    const child = await new Promise((resolve, reject) => {
      setTimeout(() => void forkWithData(ends, profiler).then(resolve, reject), 1);
    });
    ends.far.destroy();
    await profiler.stop();
    return child.value;
  },

  // The same, where a listener forks that is called right before the parent's loop polls.
  async inListener() {
    const profiler = start({ ...options, stallThresholdMs: 100, stallOutput: `${settings.out}/stalls.log` });
    untilSampled(() => profiler.stats().samples, parentOnly);
    const ends = await pair();
    const child = await new Promise((resolve, reject) => {
      const onStall = () => {
        unsubscribe('pronghorn:stall', onStall);
        void forkWithData(ends, profiler).then(resolve, reject);
      };
      subscribe('pronghorn:stall', onStall);
      setTimeout(() => parentOnly(400), 1);
    });
    ends.far.destroy();
    await profiler.stop();
    return child.value;
  },

  // A listener forks that the child's own reset calls, when it has started the profiler there and is not over yet.
  async inReset() {
    const profiler = start(options);
    untilSampled(() => profiler.stats().samples, parentOnly);
    const ends = await pair();
    const pid = forkNow({ kind });
    if (pid === 0) return never(asChild(() => forksInStart(ends, profiler)));
    // What there is to read is the grandchild's.
    ends.near.destroy();
    const { value } = await outcome(pid);
    ends.far.destroy();
    await profiler.stop();
    return value;
  },

  // The reset says how long the child ran without a profile. The fork lies between two looks at the clock, and the reset between two others.
  async unprofiled() {
    start(options);
    const results = [];
    for (const ms of [0, 1, 5, 30]) {
      parentOnly(7);
      const beforeFork = nanos();
      const { value } = await inChild(() => {
        const afterFork = nanos();
        let said;
        subscribe('pronghorn:fork:reset', ({ unprofiledNanos }) => (said = unprofiledNanos));
        if (ms > 0) childOnly(ms);
        const beforeReset = nanos();
        resetAfterFork();
        return { said, least: beforeReset - afterFork, most: nanos() - beforeFork };
      }, { kind });
      results.push(value);
    }
    return results;
  },
});
