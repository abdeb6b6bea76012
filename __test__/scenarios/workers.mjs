// One start() and many workers: some that were there before, some that come later, some of workers, one that sleeps until the process
// does nothing else, one that loads the package. Then a session about the main thread alone, and another about all.
import { fileURLToPath } from 'node:url';
import { start } from 'pronghorn';
import { burn, fixture, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

const early = burning('doesEarly', { name: 'early' });
const sleeper = burning('doesSleeper', { name: 'a sleeper with a long name' });
await Promise.all([early.online, sleeper.online]);

const profiler = start(startOptions());
const late = burning('doesLate', { name: 'late' });
const unnamed = burning('doesUnnamed');
const parent = burning('doesParent', { name: 'parent', nests: { name: 'nested', does: 'doesNested' } });
const loader = burning('doesLoader', { name: 'loader', file: fileURLToPath(new URL('../apps/loading-burner.mjs', import.meta.url)) });

const workers = { early, sleeper, late, unnamed, parent, loader };
const threads = {};
for (const [name, worker] of Object.entries(workers)) threads[name] = await worker.online;
threads.nested = await parent.nested.online;

/** All at once; with the CPU time of each by its own clock. */
async function together(all, ms) {
  const burns = Object.entries(all).map(async ([name, worker]) => [name, await worker.burn(ms)]);
  if (all.parent !== undefined) burns.push(parent.nested.burnt().then(({ cpu }) => ['nested', cpu]));
  return Object.fromEntries(await Promise.all(burns));
}

const { sleeper: _, ...awake } = workers;
const cpu = await together(awake, settings.ms);
// Everything has come to rest, and the ticker with it: only the sleeper's own running can call it back.
await rest(400);
cpu.sleeper = await sleeper.burn(settings.ms / 2);
const first = keep(await profiler.stop(), 'first');
const { reasons } = profiler.capabilities;

const aboutMain = start({ ...startOptions(), threads: 'main' });
const asleep = together(workers, settings.ms / 2);
burn(100);
await asleep;
const second = keep(await aboutMain.stop(), 'second');

const again = start(startOptions());
const cpuAgain = await together(workers, settings.ms);
const third = keep(await again.stop(), 'third');

await Promise.all(Object.values(workers).map((worker) => worker.end()));
report({ mainThread: fixture.threadId(), threads, cpu, cpuAgain, reasons, first, second, third });
