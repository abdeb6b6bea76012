// Programs that really fork, and what the package does in the child: which steps, in which order, what it publishes, what the API answers.
import { subscribe } from 'node:diagnostics_channel';
import { readdirSync, readFileSync } from 'node:fs';
import { childOnly, digest, forker, inChild, parentOnly, pronghorn, rest, scenarios, settings, TEST_OPTIONS } from '../helpers/forking.mjs';

const { start, stop, profile, resetAfterFork } = pronghorn;

const codeOf = async (act) => {
  try {
    await act();
    return 'none';
  } catch (error) {
    return error.code ?? String(error);
  }
};

function listen(names = ['start', 'stop', 'rotate', 'failure', 'reset']) {
  const heard = [];
  for (const name of names) {
    subscribe(`pronghorn:${name}`, (message) => {
      heard.push({ name, ...(message.error && { code: message.error.code, message: message.error.message }), ...(name === 'reset' && message) });
    });
  }
  return heard;
}

/** What a profile says of where it is from. */
const origin = ({ processId, runtimeId, sequence }) => ({ processId, runtimeId, sequence });

await scenarios({
  async restart() {
    const heard = listen();
    const profiler = start({ intervalMicros: 1_000 });
    parentOnly(50);
    const before = origin(await profiler.rotate());
    parentOnly(30);
    const child = await inChild(async () => {
      const told = heard.length;
      await rest(1);
      childOnly(60);
      const last = await profiler.rotate();
      return { pid: forker.getpid(), heard: heard.slice(told), ...digest(last), origin: origin(last), same: start({ intervalMicros: 1_000 }) === profiler };
    });
    const last = await profiler.stop();
    return { before, child: child.value, last: { ...digest(last), origin: origin(last) }, pid: forker.getpid() };
  },

  /** The first call into the API after the fork, without the loop having turned. */
  async calls() {
    const uses = {
      resetAfterFork: () => [resetAfterFork(), resetAfterFork()].join(),
      stats: (profiler) => typeof profiler.stats().samples,
      capabilities: (profiler) => profiler.capabilities.walk,
      start: (profiler) => start({ intervalMicros: 1_000 }) === profiler,
      'other start': () => codeOf(() => start()),
      profile: () => codeOf(() => profile({ durationMs: 1 })),
      rotate: async (profiler) => (await profiler.rotate()).processId === forker.getpid(),
      stop: async () => (await stop()).processId === forker.getpid(),
      stopSync: (profiler) => profiler.stopSync().sequence,
    };
    const profiler = start({ intervalMicros: 1_000 });
    const answers = {};
    for (const [name, use] of Object.entries(uses)) {
      parentOnly(5);
      answers[name] = (await inChild(() => use(profiler))).value;
    }
    answers.parent = resetAfterFork();
    await stop();
    return answers;
  },

  async policyStop() {
    const profiler = start({ intervalMicros: 1_000, afterFork: 'stop' });
    parentOnly(20);
    const { value } = await inChild(async () => {
      await rest(5);
      const off = [await codeOf(stop), await codeOf(() => profiler.rotate()), await codeOf(() => profiler.stats())];
      const other = start({ intervalMicros: 1_000 });
      childOnly(30);
      return { off, ...digest(await other.stop()) };
    });
    return { child: value, parent: digest(await stop()) };
  },

  /** Promises that are pending at the fork. */
  async pending() {
    const profiler = start({ intervalMicros: 1_000 });
    parentOnly(50);
    const rotation = profiler.rotate();
    const first = await inChild(async () => [await codeOf(() => rotation), (await profiler.rotate()).sequence]);
    const rotated = digest(await rotation).parent;
    const stopped = profiler.stop();
    const second = await inChild(async () => [await codeOf(() => stopped), await codeOf(() => profiler.rotate()), await codeOf(stop)]);
    const last = digest(await stopped);
    const timed = profile({ durationMs: 300, intervalMicros: 1_000 });
    const third = await inChild(async () => [await codeOf(() => timed), await codeOf(stop)]);
    parentOnly(20);
    return { rotation: first.value, stop: second.value, profile: third.value, parent: [rotated > 0, last.wall > 0, digest(await timed).parent > 0] };
  },

  async stoppedInParent() {
    const profiler = start({ intervalMicros: 1_000 });
    parentOnly(10);
    const last = await profiler.stop();
    const { value } = await inChild(async () => {
      await rest(5);
      const off = [await codeOf(stop), (await profiler.stop()) === last];
      const again = start({ intervalMicros: 1_000 });
      childOnly(30);
      return { off, ...digest(await again.stop()) };
    });
    return value;
  },

  /** Each step fails once, by itself; the loop tries again. */
  async failures() {
    const results = {};
    for (const step of settings.steps) {
      const heard = listen(['failure', 'reset']);
      const profiler = start({ intervalMicros: 1_000, [TEST_OPTIONS]: { failResetStep: { step, times: 1 } } });
      parentOnly(10);
      const { value } = await inChild(async () => {
        // The loop looks again when it turns, at growing intervals.
        for (const end = performance.now() + 5_000; heard.at(-1)?.restarted !== true && performance.now() < end; ) await rest(10);
        const told = heard.map(({ name, code, restarted }) => `${name} ${code ?? restarted}`);
        childOnly(30);
        const { child, parent } = digest(await profiler.stop());
        return { told, child, parent };
      });
      await stop();
      results[step] = value;
    }
    return results;
  },

  /** Three deep: each process profiles itself, and knows its family. */
  async nested() {
    const profiler = start({ intervalMicros: 1_000 });
    const deeper = async (depth) => {
      await rest(1);
      childOnly(20);
      const below = depth === 0 ? [] : (await inChild(() => deeper(depth - 1), { deadlineMs: 20_000 })).value;
      const last = await profiler.stop();
      return [{ ...origin(last), comments: digest(last).comments, pid: forker.getpid() }, ...below];
    };
    const chain = (await inChild(() => deeper(2), { deadlineMs: 30_000 })).value;
    return [origin(await stop()), ...chain];
  },

  /** A file that is being written at the fork: the child closes it, and leaves it to the parent. */
  async saving() {
    start({ intervalMicros: 1_000 });
    parentOnly(20);
    const last = await stop();
    const running = start({ intervalMicros: 1_000 });
    Object.defineProperty(last, 'data', { value: Buffer.alloc(64 << 20, 'x') });
    const path = `${settings.out}/big`;
    const saved = last.save(path);
    const temporary = () => readdirSync(settings.out).find((name) => name.endsWith('.tmp'));
    while (temporary() === undefined) await rest(1);
    const { value } = await inChild(async () => {
      const code = await codeOf(() => saved);
      running.stats();
      return [code, forker.openDescriptors?.() ?? readdirSync('/proc/self/fd').length, temporary() !== undefined || readdirSync(settings.out).includes('big')];
    });
    await saved;
    await stop();
    return { child: value, size: readFileSync(path).length, left: temporary() };
  },
});
