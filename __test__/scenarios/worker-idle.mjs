// A process in which nothing happens: the main thread waits for its input, and so do four workers, two of which have not run since the
// profiler was started. A line of input makes one more worker, which computes.
import { once } from 'node:events';
import { start } from 'pronghorn';
import { fixture, keep, report, say, settings, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

const early = [burning('earlyOne'), burning('earlyTwo')];
await Promise.all(early.map(({ online }) => online));
const profiler = settings.profile === false ? undefined : start(startOptions());
const late = [burning('lateOne'), burning('lateTwo')];
await Promise.all(late.map(({ online }) => online));
await Promise.all(late.map((worker) => worker.burn(50)));

say('READY');
await once(process.stdin, 'data');
process.stdin.destroy();
const last = burning('comesLast', { name: 'last' });
const { tid } = await last.online;
const cpu = await last.burn(150);
const profile = profiler && keep(await profiler.stop(), 'profile');
await Promise.all([...early, ...late, last].map((worker) => worker.end()));
report({ mainThread: fixture.threadId(), tid, cpu, profile });
