// What costs.mjs does not fix: the handler at given stack depths, and each figure from several processes, interleaved where two are
// compared. Prints; nothing fails here but a run that crashes.
//   node bench/details/interleaved.mjs       all four Node majors
//   PRONGHORN_TEST_MAJORS=24 …      one of them
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../../__test__/helpers/nodes.mjs';

const program = fileURLToPath(new URL('interleaved-program.mjs', import.meta.url));

function measure(major, what, settings) {
  const result = spawnSync(nodePath(major), [program, what, JSON.stringify(settings)], { cwd: root, encoding: 'utf8', timeout: 120_000 });
  if (result.status !== 0) throw new Error(`${what} on Node ${major}: ${result.signal ?? result.status}\n${result.stderr}`);
  return JSON.parse(result.stdout);
}

const median = (values) => [...values].sort((left, right) => left - right)[values.length >> 1];
const millis = (nanos) => `${(nanos / 1e6).toFixed(2)} ms`;
const micros = (nanos) => `${(nanos / 1e3).toFixed(1)} µs`;

console.log('start(): how long it keeps the main thread, with 20,000 functions loaded (median and worst of 7 processes; goal < 5 ms)');
for (const major of majors) {
  const runs = Array.from({ length: 7 }, () => measure(major, 'startPause', { functions: 20_000 }).pauses);
  const first = runs.map(([pause]) => pause);
  const again = runs.flatMap((pauses) => pauses.slice(1));
  const outside = first.map((pause) => pause.outside);
  console.log(
    `  Node ${major}: first ${millis(median(outside))}, worst ${millis(Math.max(...outside))} (of it in the native half ${millis(median(first.map((pause) => pause.inside)))}); again ${millis(median(again.map((pause) => pause.outside)))}`,
  );
}

console.log('handler: time of one sample, as stats() shows it (goal at 25 frames: p50 < 10 µs, p99 < 60 µs)');
for (const major of majors) {
  for (const frames of [10, 25, 100]) {
    const stats = measure(major, 'handler', { frames, ms: 3000 });
    console.log(
      `  Node ${major}, ${String(frames).padStart(3)} frames: p50 ${micros(stats.handlerP50Nanos)}, p99 ${micros(stats.handlerP99Nanos)}, max ${micros(stats.handlerMaxNanos)} over ${stats.samples} samples`,
    );
  }
}

console.log('CPU time of a fixed amount of work, with and without the profiler at 10 ms (10 interleaved pairs, median of the differences)');
for (const major of majors) {
  const pairs = Array.from({ length: 10 }, (_, index) => {
    const order = index % 2 === 0 ? [true, false] : [false, true];
    const [one, two] = order.map((profile) => measure(major, 'overhead', { profile, rounds: 3000 }).cpuMicros);
    return order[0] ? one / two : two / one;
  });
  console.log(`  Node ${major}: ${(100 * (median(pairs) - 1)).toFixed(2)}%`);
}
