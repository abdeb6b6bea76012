// How long start() keeps the main thread, the first time in a process and again, in a program of many functions.
import { importContender } from '../contenders/index.mjs';
import { caller, loadFunctions } from '../workloads/functions.mjs';
import { busy, cpuMs, finish, settings, turn } from './process.mjs';

const call = caller(loadFunctions(settings.functions));
const { load } = await importContender(settings.contender);
const loadBegan = performance.now();
const profiler = await load();
const loadMs = performance.now() - loadBegan;

const starts = [];
for (let time = 0; time < 3; time++) {
  const cpuBefore = cpuMs();
  const began = performance.now();
  profiler.start(10_000);
  const wallMs = performance.now() - began;
  starts.push({ wallMs, cpuMs: cpuMs() - cpuBefore });
  busy(30, call);
  await turn();
  await profiler.stop();
}
finish({ loadMs, first: starts[0], again: starts.slice(1) });
