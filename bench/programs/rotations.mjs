// What rotations keep the main thread, in a program of many functions that is busy between them.
import { importContender } from '../contenders/index.mjs';
import { caller, loadFunctions } from '../workloads/functions.mjs';
import { busy, finish, settings } from './process.mjs';
import { pausesOf, turnBefore } from './turns.mjs';

/** `warmMs`: in the first second of such a program V8's threads, which compile its functions, take the main thread's processor some hundred times. */
const { contender, functions, rotations, busyMs = 30, intervalMicros = 10_000, warmMs = 2_000 } = settings;
const profiler = await (await importContender(contender)).load();
const call = caller(loadFunctions(functions));
busy(warmMs, call);
// What V8 has put off meanwhile.
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
finish({ pauses, bytes, slices: stats && { resolve: stats.resolveMaxNanos / 1e6, handler: stats.handlerMaxNanos / 1e6, rotation: stats.rotationMaxNanos / 1e6 } });
