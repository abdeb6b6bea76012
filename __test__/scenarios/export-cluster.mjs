// A cluster under register, with exporters from the environment: each worker computes in a function of its own for a while, says how much, and ends by itself.
import cluster from 'node:cluster';
import { report, rest, settings } from '../helpers/scenario.mjs';

let sink = 1;

function chunk() {
  for (let index = 0; index < 50_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

const cpuMs = () => process.cpuUsage().user / 1_000 + process.cpuUsage().system / 1_000;

function workerOne(ms) {
  for (const end = cpuMs() + ms; cpuMs() < end; ) chunk();
}

function workerTwo(ms) {
  for (const end = cpuMs() + ms; cpuMs() < end; ) chunk();
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
  const began = process.cpuUsage();
  for (const end = performance.now() + settings.ms; performance.now() < end; ) {
    hot(20);
    await rest(10);
  }
  const { user, system } = process.cpuUsage(began);
  process.send({ id: cluster.worker.id, pid: process.pid, name: hot.name, cpuNanos: (user + system) * 1_000 }, () => cluster.worker.disconnect());
}
