// A cluster, profiled as a whole by its primary; the workers have nothing of the profiler in their code.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { startCluster } from 'pronghorn';
import { burn } from './burn.mjs';

if (cluster.isPrimary) {
  const session = startCluster({ intervalMicros: 1_000 });
  const worker = cluster.fork();
  await once(worker, 'message');
  await (await session.stop()).save(process.argv[2]);
  worker.disconnect();
} else {
  burn(200);
  process.send('done');
}
