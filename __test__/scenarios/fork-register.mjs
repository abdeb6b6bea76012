// A program under register that really forks: where the policy says stop, where a step of register's own part fails, and while a duration lasts.
import { subscribe } from 'node:diagnostics_channel';
import {
  childOnly, fixture, forker, forkNow, inChild, outcome, parentOnly, pronghorn, resetChain, rest, scenarios, settings, turn, untilSampled,
} from '../helpers/forking.mjs';
import { until } from '../helpers/held.mjs';

const { start } = pronghorn;
const resets = [];
subscribe('pronghorn:fork:reset', ({ restarted, reason }) => resets.push({ restarted, reason }));

/** What register has hooked into this process. */
const hooks = () => ({
  exit: process.listenerCount('exit'),
  signals: [1, 2, 15].map((signal) => fixture.dispositionOf(signal).replace(/^.*\//, '')),
});
const sampled = (profiler, burn) => untilSampled(() => profiler.stats().samples, burn, { ms: 5_000 });

/** Ends a child by SIGTERM; the parent gets how it ended. */
async function terminated(first) {
  const pid = forkNow();
  if (pid === 0) {
    // Should it live on, it ends otherwise than it should.
    setTimeout(() => forker.exitNow(71), 8_000);
    await first();
    forker.kill(forker.getpid(), 15);
    await rest(9_000);
  }
  return { pid, status: await outcome(pid).catch((error) => String(error.message).split('\n', 1)[0]) };
}

await scenarios({
  async stop() {
    // register's own, whose options these are.
    const profiler = start({ intervalMicros: 1_000, afterFork: 'stop' });
    sampled(profiler, parentOnly);
    const before = hooks();
    const child = await inChild(async () => {
      await turn();
      childOnly(20);
      return { hooks: hooks(), resets };
    });
    const killed = await terminated(turn);
    return { parent: forker.getpid(), before, child: child.value, pid: child.pid, killed, after: hooks() };
  },

  async failures() {
    const profiler = start({ intervalMicros: 1_000 });
    const chain = resetChain();
    sampled(profiler, parentOnly);
    const before = hooks();
    const children = [];
    for (const step of settings.steps) {
      // register takes its options from the environment, which names no options of tests.
      chain.setTest({ failResetStep: { step, times: 1 } });
      const goOn = async () => {
        await until(() => resets.at(-1)?.restarted === true, 5_000);
        sampled(profiler, childOnly);
      };
      const { pid, value } = await inChild(async () => {
        // The reset runs before the loop polls, so that this looks at what a failed attempt has left.
        await turn();
        const between = resets.length === 1 ? hooks().exit : undefined;
        await goOn();
        return { between, resets, hooks: hooks() };
      });
      children.push({ step, pid, ...value, killed: await terminated(goOn) });
    }
    chain.setTest({});
    return { parent: forker.getpid(), before, children, after: hooks() };
  },

  async duration() {
    const profiler = start({ intervalMicros: 1_000 });
    const before = hooks();
    sampled(profiler, parentOnly);
    // A child that had only what is left of its parent's would be over much sooner.
    await rest(700);
    const over = () => until(() => hooks().exit < before.exit, 10_000);
    const during = await inChild(async () => {
      await turn();
      const began = performance.now();
      sampled(profiler, childOnly);
      await over();
      return { tookMs: performance.now() - began, hooks: hooks() };
    });
    await over();
    const after = await inChild(async () => {
      await turn();
      childOnly(20);
      return { hooks: hooks(), resets };
    });
    return { parent: forker.getpid(), before, during: during.value, child: during.pid, after: after.value, hooks: hooks() };
  },
});
