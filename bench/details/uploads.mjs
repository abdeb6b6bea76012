// What an upload of 1 MB keeps the main thread: the CPU time of each turn of the event loop while it goes on, the longest one first. The server is another process.
//
//   node bench/details/uploads.mjs [repeats]
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import native from '#native';
import { HttpExporter } from '../../build/lib/export/http.js';
import { OtlpExporter } from '../../build/lib/export/otlp.js';
import { ParcaExporter } from '../../build/lib/export/parca.js';
import { PyroscopeExporter } from '../../build/lib/export/pyroscope.js';

const repeats = Number(process.argv[2] ?? 25);
/** Caches are cold in a program that does other things between two uploads. */
const PAUSE_MS = 200;
const BYTES = 1024 * 1024;
const SERVER = `require('node:http').createServer((q, a) => q.resume().on('end', () => a.end('{}'))).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

const server = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
const [line] = await once(server.stdout.setEncoding('utf8'), 'data');
const settings = { url: new URL(`http://127.0.0.1:${line.trim()}`), headers: {}, timeoutMs: 10_000 };
const data = randomBytes(BYTES);
const report = {
  profile: { data, sequence: 3, processId: 42, runtimeId: 'run-time', startTime: new Date(0), endTime: new Date(1_000), startTimeNanos: 0n, endTimeNanos: 1_000_000_000n },
  service: 'shop',
  labels: {},
};
const exporters = [
  new HttpExporter({ ...settings, method: 'POST' }),
  new PyroscopeExporter(settings),
  new ParcaExporter(settings),
  new OtlpExporter({ ...settings, resource: {}, gzip: true }, async () => data),
];

const cpuMicros = () => Number(native.readClock().cpuNanos) / 1e3;

/** @returns the CPU time of each turn while the work goes on, in microseconds */
async function turns(work) {
  const state = { over: false };
  const all = [];
  let last = cpuMicros();
  const turn = () => {
    const now = cpuMicros();
    all.push(now - last);
    if (!state.over) setImmediate(turn);
    last = cpuMicros();
  };
  setImmediate(turn);
  await work();
  state.over = true;
  await new Promise((resolve) => setImmediate(resolve));
  return all.sort((a, b) => b - a);
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const signal = new AbortController().signal;
for (const exporter of exporters) {
  const runs = [];
  for (let index = 0; index < repeats; index++) {
    await setTimeout(PAUSE_MS);
    runs.push(await turns(() => exporter.send(report, signal)));
  }
  // The first ones compile.
  const warm = runs.slice(5);
  const nth = (index) => Math.round(median(warm.map((run) => run[index] ?? 0)));
  const worst = Math.round(Math.max(...warm.map((run) => run[0])));
  console.log(`${exporter.name}: longest turns, median of ${warm.length}: ${[0, 1, 2, 3].map(nth).join(', ')} µs; worst ${worst} µs; first upload ${Math.round(runs[0][0])} µs`);
}
server.kill();
