// Eight workers that compute at the same time while the main thread rotates again and again, with what their own CPU clocks say of it.
import { start } from 'pronghorn';
import { keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

const make = (index) => burning(`does${index}`, { name: `busy ${index}` });
const early = [0, 1, 2, 3].map(make);
await Promise.all(early.map(({ online }) => online));
const profiler = start(startOptions());
const all = [...early, ...[4, 5, 6, 7].map(make)];
const threads = (await Promise.all(all.map(({ online }) => online))).map(({ tid }) => tid);
// Time enough for each to be found; from the rotation on everything counts.
await Promise.all(all.map((worker) => worker.burn(100)));
await profiler.rotate();

const state = { over: false };
const files = [];
const rotating = (async () => {
  while (!state.over) {
    await rest(60);
    files.push(keep(await profiler.rotate(), `rotation-${files.length}`).file);
  }
})();
const cpu = await Promise.all(all.map((worker) => worker.burn(settings.ms)));
state.over = true;
await rotating;
const last = keep(await profiler.stop(), 'last');
await Promise.all(all.map((worker) => worker.end()));
report({ threads, cpu, files: [...files, last.file], stats: last.stats });
