// Labels over a fork: the child is in the middle of the same work, so what it does carries the same labels; new ones work too, also before anything
// has been reset. What burns in a function `in_X` is reported with its labels.
import { setTimeout as sleep } from 'node:timers/promises';
import { fixture, inChildOnTime, pronghorn, scenarios, settings } from '../helpers/forking.mjs';
import { readProfile } from '../helpers/pprof.mjs';

const { start, withLabels } = pronghorn;

const burner = (part) =>
  new Function('clock', `let sink = 1; return function in_${part}() { const end = clock() + 40e6; while (clock() < end) for (let index = 0; index < 2_000; index++) sink = (Math.imul(sink, 69069) + index) | 0; }`)(
    () => fixture.threadCpuNanos(),
  );
const burn = Object.fromEntries(['before', 'limbo', 'scope', 'awaited', 'known', 'fresh', 'outside', 'after'].map((part) => [part, burner(part)]));

/** The labels of the samples in each function, as texts; several if they differ. */
function labelsByPart(profile) {
  const found = {};
  for (const sample of readProfile(profile.data).samples) {
    const part = sample.stack.find(({ name }) => name.startsWith('in_'))?.name.slice(3);
    if (part === undefined) continue;
    const own = Object.entries(sample.labels).filter(([key]) => !/^(process|thread) /.test(key));
    const text = own.map(([key, value]) => `${key}=${value}`).join();
    found[part] = [...new Set([...(found[part] ?? []), text])];
  }
  return found;
}

await scenarios({
  async scope() {
    const profiler = start({ intervalMicros: 1_000 });
    const child = await withLabels({ route: '/r' }, async () => {
      await sleep(1);
      withLabels({ known: 'set' }, () => undefined);
      burn.before();
      const forked = await inChildOnTime(
        async () => {
          // A number that is remembered, in a process that has not been reset: nothing is sampled yet, and nothing hangs.
          withLabels({ known: 'set' }, burn.limbo);
          // One that is not: the call into the package resets.
          withLabels({ fresh: 'yes' }, burn.fresh);
          burn.scope();
          await sleep(1);
          burn.awaited();
          withLabels({ known: 'set' }, burn.known);
          return { labels: labelsByPart(await profiler.stop()), stats: profiler.stats() };
        },
        { kind: settings.kind },
      );
      burn.after();
      return forked;
    });
    burn.outside();
    return { child: child.value, labels: labelsByPart(await profiler.stop()) };
  },
});
