// Builds the real servers of the tests, Parca and an OpenTelemetry Collector, unless they are in the cache:
// `node __test__/servers/build.mjs`. The modules here lock every version; Go fetches them through the module proxy that it is set to.
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { duration, run } from '../../scripts/steps.mjs';
import { buildFlags, cache, fileOf, removeOthers, servers } from './cache.mjs';
import { goEnvironment } from './go.mjs';

const megabytes = (file) => `${Math.round(statSync(file).size / 1e6)} MB`;

async function build(server) {
  const file = fileOf(server);
  if (existsSync(file)) {
    console.log(`${server.name}: in the cache, ${megabytes(file)}`);
    return;
  }
  const began = performance.now();
  const env = { ...goEnvironment(console.log), CGO_ENABLED: '0' };
  mkdirSync(cache, { recursive: true });
  // Renamed when it is whole, so that what an interrupted build leaves is never taken for a server.
  const unfinished = `${file}.${process.pid}`;
  try {
    await run('go', ['build', '-C', server.folder, ...buildFlags, '-o', unfinished, server.package], { env, minutes: 20 });
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
  removeOthers(server);
  console.log(`${server.name}: built in ${duration(performance.now() - began)}, ${megabytes(file)}`);
}

try {
  for (const server of servers) await build(server);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
