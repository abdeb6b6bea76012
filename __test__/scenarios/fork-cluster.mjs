// Cluster primaries and workers that really fork while a session runs.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { childOnly, digest, inChild, parentOnly, pronghorn, rest, scenarios, turn } from '../helpers/forking.mjs';

const codeOf = (promise) => promise.then(() => 'none', (error) => error.code ?? String(error));

/** Sockets and files of ours that this process has open. */
const ours = () =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)].filter((target) => target.startsWith('socket:') || target.includes('.pronghorn-'));
    } catch {
      return [];
    }
  });

async function forkWorkers(count) {
  const workers = Array.from({ length: count }, () => cluster.fork());
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

async function endAll() {
  const workers = Object.values(cluster.workers);
  for (const worker of workers) worker.process.kill('SIGKILL');
  await Promise.all(workers.map((worker) => once(worker.process, 'exit')));
}

const partsOf = ({ processes }) => processes.map(({ workerId, error, profile }) => ({ workerId, code: error?.code, ...(profile && digest(profile)) }));

if (cluster.isPrimary) {
  await scenarios({
    /** The primary forks while a rotation of the cluster is under way. */
    async primary() {
      await forkWorkers(2);
      const session = pronghorn.startCluster({ intervalMicros: 1_000 });
      parentOnly(60);
      const before = ours();
      const rotation = session.rotate();
      const child = inChild(async () => {
        const pending = await codeOf(rotation);
        childOnly(40);
        return { pending, rotate: await codeOf(session.rotate()), stop: await codeOf(session.stop()), left: ours().filter((target) => before.includes(target)) };
      });
      const first = partsOf(await rotation);
      const { value } = await child;
      parentOnly(60);
      const last = partsOf(await session.stop());
      await endAll();
      return { before, child: value, first, last };
    },

    /** A worker forks: its child ends, and the worker goes on in the session. */
    async worker() {
      const [worker] = await forkWorkers(1);
      const session = pronghorn.startCluster({ intervalMicros: 1_000 });
      await rest(100);
      worker.send('fork');
      const [child] = await once(worker, 'message');
      const rotated = partsOf(await session.rotate());
      worker.send('work');
      await once(worker, 'message');
      const last = partsOf(await session.stop());
      await endAll();
      return { child, rotated, last };
    },
  });
} else {
  process.on('message', async (what) => {
    parentOnly(60);
    const before = ours();
    const child = what === 'fork' ? await inChild(async () => {
      await turn();
      childOnly(60);
      return { left: ours().filter((target) => before.includes(target)) };
    }) : undefined;
    parentOnly(60);
    process.send({ value: child?.value, before });
  });
  process.send('online');
}
