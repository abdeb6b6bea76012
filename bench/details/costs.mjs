// `node bench/details/costs.mjs`: what the profiler costs, measured by the profiler itself, on every Node version of the tests.
//
// start(): how long the first call, which loads the native half, and a later one keep the main thread, with 20,000 functions loaded. Then ten
// seconds of work, sampled every millisecond of CPU time: time in the signal handler, the median of the stacks' frames, the longest
// serialization (on a thread of its own), and the CPU time of all paths of ours against the process's. Nothing here passes or fails; the figures depend on the machine.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const nodes = fileURLToPath(new URL('../../__test__/nodes/node_modules/', import.meta.url));
const worker = fileURLToPath(new URL('cost.mjs', import.meta.url));
if (!existsSync(nodes)) {
  console.error('The Node binaries are missing: npm ci --prefix __test__/nodes');
  process.exit(1);
}

const columns = [
  ['node', 'version'],
  ['first start()', 'firstStartMs', 'ms'],
  ['next start()', 'nextStartMs', 'ms'],
  ['samples', 'samples'],
  ['frames', 'frames'],
  ['handler p50', 'handlerP50', 'µs'],
  ['p99', 'handlerP99', 'µs'],
  ['max', 'handlerMax', 'µs'],
  ['serialize', 'serializeMs', 'ms'],
  ['own CPU', 'ownPercent', '%'],
];
const show = (value, unit) => (typeof value === 'number' && unit ? `${value.toFixed(2)} ${unit}` : String(value));

const rows = [columns.map(([title]) => title)];
for (const alias of readdirSync(nodes).filter((name) => name.startsWith('node')).sort()) {
  const binary = `${nodes}${alias}/bin/node`;
  const result = JSON.parse(execFileSync(binary, [worker], { encoding: 'utf8', timeout: 120_000 }));
  rows.push(columns.map(([, key, unit]) => show(result[key], unit)));
}
const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows) console.log(row.map((cell, column) => cell.padStart(widths[column])).join('  '));
