// Programs that really fork, with two copies of the package in them. Each copy has a binary of its own, which notices a fork from the moment it is loaded.
import { subscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BINARY } from '../helpers/binary.mjs';
import { childOnly, digest, forker, inChild, native, parentOnly, pronghorn as one, scenarios, settings, turn, untilSampled } from '../helpers/forking.mjs';

const importTwo = () => import(pathToFileURL(join(settings.copy, 'dist/index.js')));
/** The second copy joins the first one's chain when it is imported. */
const two = settings.scenario === 'twoAsleep' ? undefined : await importTwo();
const natives = { one: native, two: () => createRequire(import.meta.url)(join(settings.copy, BINARY)) };
const options = { intervalMicros: 1_000 };

/** Whether each binary is still in the state in which the fork has left it. */
const limbo = () => ({ one: natives.one().forkState().forked, two: natives.two().forkState().forked });

const resets = [];
subscribe('pronghorn:fork:reset', ({ restarted, pid }) => resets.push({ restarted, own: pid === forker.getpid() }));

const sampled = (profiler, burn) => untilSampled(() => profiler.stats().samples, burn, { atLeast: 10, ms: 5_000 });
const seen = (profile) => (({ parent, child, threads }) => ({ parent, child, ownThread: threads.join() === String(forker.getpid()) }))(digest(profile));

/** In a child: runs through the loop alone first, then uses both copies one after the other, and forks again. */
async function both(profiler, depth) {
  await turn();
  const after = limbo();
  const shared = [one.start(options) === profiler, two.start(options) === profiler];
  sampled(profiler, childOnly);
  const own = seen(await profiler.stop());
  const each = [];
  for (const copy of [one, two, one]) {
    const next = copy.start(options);
    sampled(next, childOnly);
    each.push(seen(await next.stop()));
  }
  const again = two.start(options);
  const below = depth > 1 ? (await inChild(() => both(again, depth - 1), { deadlineMs: 30_000 })).value : undefined;
  sampled(again, childOnly);
  return { after, shared, own, each, last: seen(await again.stop()), resets: resets.splice(0), below };
}

await scenarios({
  /** The first copy has run and was stopped; the second one runs at the fork. */
  async oneThenTwo() {
    const first = one.start(options);
    sampled(first, parentOnly);
    await first.stop();
    const profiler = two.start(options);
    sampled(profiler, parentOnly);
    const child = await inChild(() => both(profiler, 2), { deadlineMs: 45_000, kind: settings.kind });
    return { child: child.value, parent: seen(await profiler.stop()), resets };
  },

  /** The first copy runs; the second one is loaded, and shares its profiler. */
  async twoLoaded() {
    const profiler = one.start(options);
    two.start(options);
    sampled(profiler, parentOnly);
    const child = await inChild(() => both(profiler, 2), { deadlineMs: 45_000, kind: settings.kind });
    return { child: child.value, parent: seen(await profiler.stop()), resets };
  },

  /** The second binary is there, as a worker thread would load it, and its copy is first imported when the child has been reset. */
  async twoAsleep() {
    const profiler = one.start(options);
    natives.two();
    sampled(profiler, parentOnly);
    const child = await inChild(
      async () => {
        await turn();
        const before = limbo();
        sampled(profiler, childOnly);
        const second = await importTwo();
        const shared = second.start(options) === profiler;
        const after = limbo();
        sampled(profiler, childOnly);
        const rotated = await profiler.rotate();
        await second.stop();
        const next = second.start(options);
        sampled(next, childOnly);
        return { before, shared, after, sequence: rotated.sequence, own: seen(rotated), next: seen(await next.stop()), resets };
      },
      { deadlineMs: 45_000, kind: settings.kind },
    );
    return { child: child.value, parent: seen(await profiler.stop()) };
  },
});
