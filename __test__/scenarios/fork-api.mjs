// Programs that really fork, and what the package does in the child: which steps, in which order, what it publishes, what the API answers.
import { execFileSync } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { readProfile } from '../helpers/pprof.mjs';
import { childOnly, digest, forker, forkNow, inChild, inChildOnTime, lib, native, outcome, parentOnly, pronghorn, rest, scenarios, settings, TEST_OPTIONS } from '../helpers/forking.mjs';

const { start, stop, profile, resetAfterFork } = pronghorn;

const codeOf = async (act) => {
  try {
    await act();
    return 'none';
  } catch (error) {
    return error.code ?? String(error);
  }
};

function listen(names = ['start', 'stop', 'rotate', 'error', 'fork:reset']) {
  const heard = [];
  for (const name of names) {
    subscribe(`pronghorn:${name}`, (message) => {
      heard.push({ name, ...(message.error && { code: message.error.code, message: message.error.message }), ...(name === 'fork:reset' && message) });
    });
  }
  return heard;
}

/** What a profile says of where it is from. */
const origin = ({ processId, runtimeId, sequence }) => ({ processId, runtimeId, sequence });

/** Lets the loop come to where it would poll: a fork made while it polls is followed by what setImmediate() has in store, and by timers, first. */
const turn = () => new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));

/** Burns until samples of it have been taken, on a machine that is busy with other things too. Once at least: asking is work, too, and sampled. */
function sampled(profiler, burn, least = 20) {
  const before = profiler.stats().samples;
  const end = performance.now() + 5_000;
  do burn(20);
  while (profiler.stats().samples < before + least && performance.now() < end);
}

/** Whether there comes to be nothing that the loop waits for; looks from within a timer, which does not count then. */
async function loopEnds() {
  const end = performance.now() + 5_000;
  let alive;
  do alive = await new Promise((resolve) => void setTimeout(() => resolve(forker.loopIsAlive()), 20));
  while (alive === 1 && performance.now() < end);
  return alive === 0;
}

/** What a descriptor points at. */
const linkOf = (file) => {
  try {
    return readlinkSync(`/proc/self/fd/${file}`);
  } catch {
    return '';
  }
};

await scenarios({
  async restart() {
    const heard = listen();
    const profiler = start({ intervalMicros: 1_000 });
    sampled(profiler, parentOnly);
    const before = origin(await profiler.rotate());
    sampled(profiler, parentOnly);
    const child = await inChild(async () => {
      const told = heard.length;
      await turn();
      sampled(profiler, childOnly);
      const last = await profiler.rotate();
      return { pid: forker.getpid(), heard: heard.slice(told), ...digest(last), origin: origin(last), same: start({ intervalMicros: 1_000 }) === profiler };
    });
    const last = await profiler.stop();
    return { before, child: child.value, last: { ...digest(last), origin: origin(last) }, pid: forker.getpid() };
  },

  /** A fork while a rotation, and then a stop, has samples of a script of 10 MB left to resolve. */
  async slices() {
    const path = join(settings.out, 'large.cjs');
    const filler = Array.from({ length: 130_000 }, (_, index) => `function unused${index}() { return ${index}; } // → a character that takes two bytes, and a few more\n`);
    writeFileSync(path, `${filler.join('')}module.exports = function hot(ms, sum = 0) { for (const end = Date.now() + ms; Date.now() < end; ) for (let n = 0; n < 1e5; n++) sum = (sum * 31 + n) | 0; return sum; };\n`);
    const work = createRequire(import.meta.url)(path);
    const profiler = start({ intervalMicros: 1_000 });
    const seen = [];
    for (const what of ['rotate', 'stop']) {
      sampled(profiler, () => work(8), 3);
      const pending = profiler[what]();
      const { unfinishedResolves } = native().stats();
      const child = await inChild(async () => {
        const parents = await codeOf(() => pending);
        if (what === 'stop') return { parents };
        sampled(profiler, childOnly);
        return { parents, ...digest(await profiler.rotate()) };
      });
      const own = readProfile((await pending).data);
      const hot = own.samples.flatMap(({ stack }) => stack).filter(({ name }) => name === 'hot');
      seen.push({ unfinishedResolves, child: child.value, hot: hot.length, lines: [...new Set(hot.map(({ line, startLine }) => `${startLine}:${line}`))] });
    }
    return seen;
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
    sampled(profiler, parentOnly);
    const { value } = await inChild(async () => {
      await turn();
      const off = [await codeOf(stop), await codeOf(() => profiler.rotate()), await codeOf(() => profiler.stats())];
      const other = start({ intervalMicros: 1_000 });
      sampled(other, childOnly);
      return { off, ...digest(await other.stop()) };
    });
    return { child: value, parent: digest(await stop()) };
  },

  /** Promises that are pending at the fork. */
  async pending() {
    const profiler = start({ intervalMicros: 1_000 });
    sampled(profiler, parentOnly);
    const rotation = profiler.rotate();
    const first = await inChild(async () => [await codeOf(() => rotation), (await profiler.rotate()).sequence]);
    const rotated = digest(await rotation).parent;
    const stopped = profiler.stop();
    const second = await inChild(async () => [await codeOf(() => stopped), await codeOf(() => profiler.rotate()), await codeOf(stop)]);
    const last = digest(await stopped);
    const timed = profile({ durationMs: 600, intervalMicros: 1_000 });
    const third = await inChild(async () => [await codeOf(() => timed), await codeOf(stop)]);
    parentOnly(300);
    return { rotation: first.value, stop: second.value, profile: third.value, parent: [rotated > 0, last.wall > 0, digest(await timed).parent > 0] };
  },

  /** Rotations while libuv's one thread waits for somebody to write into a pipe. A child whose parent waited for one; and one in which nothing else is left to wait for. */
  async pool() {
    const pipe = join(settings.out, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const profiler = start({ intervalMicros: 1_000 });
    sampled(profiler, parentOnly);
    const blocked = readFile(pipe);
    const rotated = digest(await profiler.rotate()).parent > 0;
    const pending = profiler.rotate();
    const whileFull = await inChild(async () => {
      const inherited = await codeOf(() => pending);
      sampled(profiler, childOnly);
      const { parent, child } = digest(await profiler.rotate());
      return { inherited, parent, own: child > 0 };
    });
    closeSync(openSync(pipe, 'r+'));
    await Promise.all([blocked, pending]);
    const another = profiler.rotate();
    const atEnd = await inChild(async () => {
      const inherited = await codeOf(() => another);
      await stop();
      // Not by `beforeExit`: before it Node waits for what V8 has given threads that are not there.
      return { inherited, ends: await loopEnds() };
    });
    await another;
    await stop();
    return { rotated, whileFull: whileFull.value, atEnd: atEnd.value };
  },

  /** An encoding that is pending at the fork; its profiler is off. */
  async encoding() {
    const { encodeOtlp } = await lib('otlp-encoder');
    const profiler = start({ intervalMicros: 1_000 });
    sampled(profiler, parentOnly);
    const { data } = await profiler.stop();
    const encode = () => encodeOtlp(native(), data, { resource: [], gzip: false });
    const expected = await encode();
    const all = Array.from({ length: 20 }, encode);
    const { value } = await inChild(async () => {
      const codes = await Promise.all(all.map((pending) => codeOf(() => pending)));
      const own = await encode();
      return { codes: [...new Set(codes)], own: own.equals(expected) };
    });
    const inParent = await Promise.all(all);
    return { child: value, parent: inParent.every((body) => body.equals(expected)) };
  },

  async stoppedInParent() {
    const profiler = start({ intervalMicros: 1_000 });
    parentOnly(10);
    const last = await profiler.stop();
    const { value } = await inChild(async () => {
      await turn();
      const off = [await codeOf(stop), (await profiler.stop()) === last];
      const again = start({ intervalMicros: 1_000 });
      sampled(again, childOnly);
      return { off, ...digest(await again.stop()) };
    });
    return value;
  },

  /** Each step fails once, by itself; the loop tries again. */
  async failures() {
    const results = {};
    for (const step of settings.steps) {
      const heard = listen(['error', 'fork:reset']);
      const profiler = start({ intervalMicros: 1_000, [TEST_OPTIONS]: { failResetStep: { step, times: 1 } } });
      parentOnly(10);
      const { value } = await inChild(async () => {
        // The loop looks again when it turns, at growing intervals.
        for (const end = performance.now() + 5_000; heard.at(-1)?.restarted !== true && performance.now() < end; ) await rest(10);
        const told = heard.map(({ name, code, restarted }) => `${name} ${code ?? restarted}`);
        sampled(profiler, childOnly);
        const { child, parent } = digest(await profiler.stop());
        return { told, child, parent };
      });
      await stop();
      results[step] = value;
    }
    return results;
  },

  /** A child that is to wait before it tries again forks by itself: the child's child has its parent's generation, and nothing to wait for. */
  async failuresBelow() {
    const api = native();
    const heard = listen(['fork:reset']);
    const failed = () => heard.filter(({ restarted }) => restarted === false).length;
    const profiler = start({ intervalMicros: 1_000, [TEST_OPTIONS]: { failResetStep: { step: 'reset: recorder', times: 3 } } });
    parentOnly(10);
    const { value } = await inChild(async () => {
      for (const end = performance.now() + 5_000; failed() < 3 && performance.now() < end; ) await rest(10);
      const { forked, generation } = api.forkState();
      // The third pause takes 400 ms.
      const below = await inChild(
        async () => {
          await turn();
          const state = api.forkState();
          sampled(profiler, childOnly);
          return { forked: state.forked, generation: state.generation, names: digest(await profiler.stop()).child > 0 };
        },
        { kind: '_Fork' },
      );
      return { failed: failed(), forked, generation, below: below.value };
    });
    await stop();
    return value;
  },

  /** Three deep: each process profiles itself, and knows its family. */
  async nested() {
    const profiler = start({ intervalMicros: 1_000 });
    const deeper = async (depth) => {
      await turn();
      childOnly(20);
      const below = depth === 0 ? [] : (await inChildOnTime(() => deeper(depth - 1), { deadlineMs: 20_000 })).value;
      const last = await profiler.stop();
      return [{ ...origin(last), comments: digest(last).comments, pid: forker.getpid() }, ...below];
    };
    const chain = (await inChildOnTime(() => deeper(2), { deadlineMs: 30_000 })).value;
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
      const open = readdirSync('/proc/self/fd').filter((file) => linkOf(file).startsWith(settings.out)).length;
      return { code, open, untouched: readdirSync(settings.out).some((name) => name === 'big' || name.endsWith('.tmp')) };
    });
    await saved;
    await stop();
    return { child: value, size: readFileSync(path).length, left: temporary() };
  },

  /** The whole program under register: children that end in each way. */
  async register() {
    // register's own, whose options these are.
    const profiler = start({ intervalMicros: 1_000 });
    sampled(profiler, parentOnly);
    const normal = await inChild(async () => {
      await turn();
      sampled(profiler, childOnly);
    });
    const early = await inChild(() => undefined);
    const sleeper = forkNow();
    if (sleeper === 0) {
      setTimeout(() => process.exit(71), 9_000);
      await turn();
      sampled(profiler, childOnly);
      forker.kill(forker.getpid(), 15);
      await rest(8_000);
    }
    const status = await outcome(sleeper).catch((error) => String(error.message).split('\n', 1)[0]);
    return { parent: forker.getpid(), normal: normal.pid, early: early.pid, killed: sleeper, status };
  },

  /** A thread forks. Its child has no other thread. */
  async worker() {
    const profiler = start({ intervalMicros: 1_000 });
    const source = `
      const { workerData } = require('node:worker_threads');
      const forker = require(workerData.forkFixture);
      const { writeFileSync } = require('node:fs');
      import(workerData.index).then(async ({ start, stop, resetAfterFork, profile }) => {
        const pid = forker.fork('fork', 5);
        if (pid === 0) {
          const codes = [];
          for (const use of [start, stop, resetAfterFork, () => profile({ durationMs: 1 })]) {
            try { await use(); codes.push('none'); } catch (error) { codes.push(error.code); }
          }
          writeFileSync(workerData.answer, JSON.stringify(codes));
          forker.exitNow(0);
        }
        let status;
        while ((status = forker.waitpid(pid, 1)) === -1) await new Promise((resolve) => setTimeout(resolve, 1));
        require('node:worker_threads').parentPort.postMessage(status);
      });`;
    const answer = `${settings.out}/answer`;
    const worker = new Worker(source, { eval: true, workerData: { forkFixture: settings.forkFixture, index: `${settings.package}/dist/index.js`, answer } });
    const status = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    sampled(profiler, parentOnly);
    const last = digest(await stop());
    return { status, codes: JSON.parse(readFileSync(answer, 'utf8')), parent: last.parent };
  },
});
