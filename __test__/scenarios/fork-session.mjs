// A cluster whose primary and worker really fork while a session runs. The children have no part in it.
import cluster from 'node:cluster';
import { subscribe } from 'node:diagnostics_channel';
import { readdirSync, readlinkSync } from 'node:fs';
import { childOnly, digest, inChild, parentOnly, pronghorn, rest, scenarios, turn, untilSampled } from '../helpers/forking.mjs';

const { start, stop, startCluster } = pronghorn;
const resets = [];
subscribe('pronghorn:fork:reset', ({ restarted, reason }) => resets.push({ restarted, reason }));

const codeOf = (promise) => promise.then(() => 'none', (error) => error.code ?? String(error));

/** The open files of this process whose names say that they are of the session. */
const wills = () =>
  readdirSync('/proc/self/fd').filter((file) => {
    try {
      return readlinkSync(`/proc/self/fd/${file}`).includes('.pronghorn-');
    } catch {
      return false;
    }
  }).length;

/** What a child of either finds; it may profile itself. */
async function found(pending) {
  await turn();
  const off = { resets: resets.splice(0), stop: await codeOf(stop()), wills: wills(), rejected: pending && (await codeOf(pending)) };
  const own = start({ intervalMicros: 1_000 });
  untilSampled(() => own.stats().samples, childOnly, { ms: 5_000 });
  const { parent, child } = digest(await own.stop());
  return { ...off, parent, child };
}

const forkAndLook = async (pending) => (await inChild(() => found(pending), { deadlineMs: 20_000 })).value;

if (cluster.isWorker) {
  process.on('message', async () => {
    parentOnly(20);
    process.send({ child: await forkAndLook() });
  });
} else {
  await scenarios({
    async cluster() {
      const worker = cluster.fork();
      await new Promise((resolve) => worker.once('online', resolve));
      const session = startCluster({ intervalMicros: 1_000, workerTimeoutMs: 20_000 });
      // Answered by a worker whose profiler runs.
      await session.rotate();
      const answered = new Promise((resolve) => worker.once('message', resolve));
      worker.send('fork');
      const { child: ofWorker } = await answered;
      parentOnly(20);
      const before = wills();
      const rotation = session.rotate();
      const ofPrimary = await forkAndLook(rotation);
      const rotated = (await rotation).processes.map(({ role, error }) => [role, error?.code]);
      parentOnly(20);
      const { processes } = await session.stop();
      worker.disconnect();
      while (Object.keys(cluster.workers).length > 0) await rest(5);
      return { ofWorker, ofPrimary, before, rotated, last: processes.map(({ role, error }) => [role, error?.code]), resets };
    },
  });
}
