// More workers than can be profiled at a time, and one that ends and makes room.
import { start } from 'pronghorn';
import { readProfile } from '../helpers/pprof.mjs';
import { keep, report, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

const profiler = start(startOptions());
const workers = ['one', 'two', 'three'].map((name) => burning(name, { name }));
const threads = (await Promise.all(workers.map(({ online }) => online))).map(({ tid }) => tid);
await Promise.all(workers.map((worker) => worker.burn(150)));
const full = keep(await profiler.rotate(), 'full');
const { reasons } = profiler.capabilities;
// One of those that have a place ends; the others compute on. Whoever has none is asked again after a second of its running time.
const seen = new Set(readProfile(full.file).samples.map((sample) => sample.threadId));
const index = threads.findIndex((tid) => seen.has(tid));
await workers[index].end();
const rest = workers.toSpliced(index, 1);
await Promise.all(rest.map((worker) => worker.burn(1_400)));
const later = keep(await profiler.stop(), 'later');
await Promise.all(rest.map((worker) => worker.end()));
report({ threads, ended: threads[index], reasons, full, later });
