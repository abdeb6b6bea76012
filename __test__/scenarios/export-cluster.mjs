// A cluster under register, with exporters from the environment: each worker computes in a function of its own for a while, says how much, and ends by itself.
import cluster from 'node:cluster';
import { fixture, report, rest, settings } from '../helpers/scenario.mjs';

let sink = 1;

function chunk() {
  for (let index = 0; index < 50_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

/** CPU time of this thread. */
const cpuNanos = () => fixture.threadCpuNanos();

function workerOne(ms) {
  for (const end = cpuNanos() + ms * 1e6; cpuNanos() < end; ) chunk();
}

function workerTwo(ms) {
  for (const end = cpuNanos() + ms * 1e6; cpuNanos() < end; ) chunk();
}

if (cluster.isPrimary) {
  const workers = [];
  for (let index = 0; index < 2; index++) {
    cluster.fork().on('message', (message) => workers.push(message));
  }
  let left = 2;
  cluster.on('exit', (_worker, code) => {
    if (code !== 0) process.exitCode = 1;
    if (--left === 0) report({ pid: process.pid, workers });
  });
} else {
  const hot = cluster.worker.id === 1 ? workerOne : workerTwo;
  let spent = 0;
  // Some periods long, and long enough to be measured, however busy the machine is.
  for (const end = performance.now() + settings.ms; performance.now() < end || spent < 400e6; ) {
    const before = cpuNanos();
    hot(20);
    spent += cpuNanos() - before;
    await rest(10);
  }
  // With process.disconnect() a cluster worker would end at once.
  process.send({ id: cluster.worker.id, pid: process.pid, name: hot.name, cpuNanos: spent }, () => cluster.worker.disconnect());
}
