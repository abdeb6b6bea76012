// How long it takes to load a contender's package in a fresh process; with `start`, whether it starts and stops as well.
import { importContender } from '../contenders/index.mjs';
import { busy, cpuMs, finish, settings, turn } from './process.mjs';

const { load } = await importContender(settings.contender);
const cpuBefore = cpuMs();
const began = performance.now();
const profiler = await load();
const loadMs = performance.now() - began;
const loadCpuMs = cpuMs() - cpuBefore;
if (settings.start) {
  profiler.start(10_000);
  busy(60, () => Math.sqrt(performance.now()));
  await turn();
  await profiler.stop();
}
finish({ loadMs, loadCpuMs });
