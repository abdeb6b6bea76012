// An ordinary cluster application that knows nothing of pronghorn: a primary and four workers, which end in four ways.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

let sink = 1;
/** Computes for some milliseconds of CPU time, however busy the machine is. */
function compute(ms) {
  const before = process.cpuUsage();
  do {
    for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  } while (process.cpuUsage(before).user / 1_000 < ms);
}

function primaryWork() {
  compute(200);
}
const works = {
  1: function firstWork() {
    compute(200);
  },
  2: function secondWork() {
    compute(200);
  },
  3: function thirdWork() {
    compute(200);
  },
  4: function fourthWork() {
    compute(200);
  },
};

if (cluster.isPrimary) {
  const workers = Object.keys(works).map(() => cluster.fork());
  const pids = workers.map((worker) => worker.process.pid);
  const ends = Promise.all(workers.map((worker) => once(worker, 'exit')));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  primaryWork();
  process.kill(pids[0], 'SIGTERM');
  workers[1].kill();
  workers[2].disconnect();
  workers[3].disconnect();
  await wait(20);
  workers[3].process.kill('SIGTERM');
  writeSync(1, `REPORT ${JSON.stringify({ primary: process.pid, pids, ends: await ends })}\n`);
} else {
  works[cluster.worker.id]();
  const hold = setInterval(() => undefined, 1_000);
  process.once('disconnect', () => clearInterval(hold));
  process.send('ready');
}
