// Forks of every kind, and whether the profiler has fork handlers for them.
import { childOnly, digest, forker, inChildOnTime, native, parentOnly, pronghorn, scenarios, turn, untilSampled } from '../helpers/forking.mjs';

const { start, resetAfterFork } = pronghorn;
const { forkState } = native();
const options = { intervalMicros: 1_000 };

/** In the child: it is reset by a call or by its loop, and goes on. */
async function prove(profiler, byCall) {
  const { forked } = forkState();
  if (byCall) resetAfterFork();
  else await turn();
  const after = forkState().forked;
  untilSampled(() => profiler.stats().samples, childOnly);
  const { capabilities } = profiler;
  const profile = profiler.stopSync();
  const { names, threads } = digest(profile);
  return { forked, after, names, own: threads.every((thread) => thread === forker.gettid()), sequence: profile.sequence, capabilities };
}

await scenarios({
  async forks() {
    const profiler = start(options);
    const { capabilities } = profiler;
    const children = [];
    let late = 0;
    for (const kind of ['fork', '_Fork', 'clone']) {
      for (let turns = 0; turns < 3; turns++) {
        untilSampled(() => profiler.stats().samples, parentOnly);
        const child = await inChildOnTime(() => prove(profiler, turns % 2 === 0), { kind });
        if (kind === 'fork') late += child.late;
        children.push(child.value);
      }
    }
    const sampledOn = untilSampled(() => profiler.stats().samples, parentOnly);
    const last = await profiler.stop();
    return { capabilities, children, sampledOn, late, parent: digest(last), stats: last.stats };
  },
});
