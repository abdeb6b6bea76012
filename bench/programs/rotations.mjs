// What rotations keep the main thread, in a program of many functions that is busy between them.
import { importContender } from '../contenders/index.mjs';
import { caller, loadFunctions } from '../workloads/functions.mjs';
import { busy, finish, settings } from './process.mjs';
import { pausesOf, turnBefore, watchCollections } from './turns.mjs';

const { contender, functions, rotations, busyMs = 30, intervalMicros = 10_000 } = settings;
const profiler = await (await importContender(contender)).load();
const call = caller(loadFunctions(functions));
const collectedIn = watchCollections();
await turnBefore();
profiler.start(intervalMicros);
busy(100, call);

const pauses = [];
const bytes = [];
for (let count = 0; count < rotations; count++) {
  busy(busyMs, call);
  // In the same turn, so that what the work has left to be done is done by the rotation.
  const { outcome, ...pause } = await pausesOf(() => profiler.rotate());
  pauses.push(pause);
  bytes.push(outcome?.length);
}
const stats = profiler.stats?.();
await profiler.stop();
await turnBefore();
for (const pause of pauses) {
  for (const part of [pause.call, pause.longest]) part.collected = collectedIn(part);
}
finish({ pauses, bytes, slices: stats && { resolve: stats.resolveMaxNanos / 1e6, handler: stats.handlerMaxNanos / 1e6, rotation: stats.rotationMaxNanos / 1e6 } });
