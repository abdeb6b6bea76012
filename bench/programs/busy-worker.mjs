// A worker thread of workloads/workers.mjs.
import { workerData } from 'node:worker_threads';
import { importContender } from '../contenders/index.mjs';
import { caller, loadFunctions } from '../workloads/functions.mjs';

const { contender, intervalMicros, rounds } = workerData;
const profiler = await (await importContender(contender)).load();
profiler.start(intervalMicros);
const call = caller(loadFunctions(500), 5_000);
for (let round = 0; round < rounds; round++) {
  call();
  JSON.parse(JSON.stringify(Array.from({ length: 500 }, (_, index) => ({ index, round }))));
}
await profiler.stop();
