// A cluster that its primary profiles: an HTTP server with two workers, real load by autocannon, and one profile of all three processes.
//
//   node examples/cluster.mjs [--seconds N] [--output-dir DIR]
//
// The workers know nothing of pronghorn: the primary imports the package before it forks them, and starts them all with one call.
import cluster from 'node:cluster';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const WORKERS = 2;
const CONNECTIONS = 20;

/** What the server computes for each request, in functions that the profile shows. */
function priceOf(order) {
  let cents = 0;
  for (let round = 0; round < 40_000; round++) cents = (Math.imul(cents, 31) + order + round) | 0;
  return Math.abs(cents);
}

function renderOrder(order) {
  const lines = Array.from({ length: 40 }, (_, line) => ({ line, article: `article ${line * order}`, cents: line * 7 }));
  return JSON.stringify({ order, cents: priceOf(order), lines });
}

function answer(request, response) {
  const order = Number(request.url?.slice(1)) || 1;
  const body = gzipSync(renderOrder(order));
  response.setHeader('etag', createHash('sha256').update(body).digest('hex'));
  response.setHeader('content-encoding', 'gzip');
  response.end(body);
}

async function primary() {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' }, 'output-dir': { type: 'string', default: '.' } } });
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 1) throw new TypeError(`--seconds must be an integer from 1, not ${values.seconds}`);
  const { startCluster } = await import('pronghorn');
  const { default: autocannon } = await import('autocannon');

  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const ports = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  const profiler = startCluster({ intervalMicros: 5_000 });
  const load = await autocannon({ url: `http://127.0.0.1:${ports[0]}/7`, connections: CONNECTIONS, duration: seconds });
  const profile = await profiler.stop();
  for (const worker of workers) worker.kill();

  const { requests, latency, errors, non2xx } = load;
  console.log(`autocannon: ${requests.total} requests from ${CONNECTIONS} connections in ${seconds} s, p99 ${latency.p99} ms, ${errors + non2xx} failed`);
  for (const { role, workerId, processId, stats, error } of profile.processes) {
    const name = role === 'primary' ? 'the primary' : `worker ${workerId}`;
    console.log(`${name} (process ${processId}): ${error === undefined ? `${stats?.recorded} samples` : error.message}`);
  }
  const file = await profile.save(join(values['output-dir'], 'cluster.pb.gz'));
  console.log(`one profile of the whole cluster: ${file}`);
  if (errors + non2xx > 0 || profile.processes.some(({ error }) => error !== undefined)) process.exitCode = 1;
}

if (cluster.isPrimary) await primary();
else createServer(answer).listen(0, '127.0.0.1', function listening() {
  process.send?.(this.address().port);
});
