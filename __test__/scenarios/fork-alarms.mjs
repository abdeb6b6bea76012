// A thread that has computed for long, at the default interval, forks again and again; its children compute as long.
import { childOnly, digest, first, forker, inChildOnTime, parentOnly, pronghorn, scenarios, turn } from '../helpers/forking.mjs';
import { kindsOf, taskFiles } from '../helpers/open-files.mjs';
import { restless } from '../helpers/restless.mjs';

const { start, stop } = pronghorn;
const cpuMs = () => forker.threadCpuNanos(0) / 1e6;

/** Samples per second of CPU time while `work` is done. */
function rate(profiler, work) {
  const before = { samples: profiler.stats().samples, cpu: cpuMs() };
  work();
  return (profiler.stats().samples - before.samples) / ((cpuMs() - before.cpu) / 1000);
}

async function inTheChild() {
  await turn();
  const profiler = start();
  const perSecond = rate(profiler, () => childOnly(400));
  return { perSecond, ...digest(await stop()) };
}

await scenarios({
  async files() {
    start();
    const kinds = () => kindsOf(taskFiles(first));
    let had = [];
    for (let tries = 0; tries < 10 && had.length < 2; tries++) {
      restless(parentOnly);
      had = kinds();
    }
    const { value: child } = await inChildOnTime(
      async () => {
        const inherited = kinds();
        await turn();
        return { inherited, kept: kinds() };
      },
      { deadlineMs: 20_000 },
    );
    await stop();
    return { had, child, left: kinds() };
  },

  async forks() {
    const profiler = start();
    parentOnly(600);
    const children = [];
    const rates = [];
    for (let index = 0; index < 4; index++) {
      children.push((await inChildOnTime(inTheChild, { deadlineMs: 20_000 })).value);
      rates.push(rate(profiler, () => parentOnly(300)));
    }
    await stop();
    return { parent: rates.reduce((sum, each) => sum + each) / rates.length, children };
  },
});
