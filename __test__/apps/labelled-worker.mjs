// A worker that labels its own work, and says by its own clock what that took. workerData: part, fixture.
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { withLabels } from 'pronghorn';

const { threadCpuNanos } = createRequire(import.meta.url)(workerData.fixture);
const burn = new Function(
  'clock',
  `let sink = 1;
  return function in_${workerData.part}(ms) {
    const before = clock();
    while (clock() < before + ms * 1e6) for (let index = 0; index < 2_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
    return clock() - before;
  }`,
)(threadCpuNanos);

const cpu = await withLabels({ part: workerData.part }, async () => {
  let sum = 0;
  for (let round = 0; round < 10; round++) {
    sum += burn(20);
    await sleep(1);
  }
  return sum;
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort of Node's, not a window
parentPort.postMessage(cpu);
