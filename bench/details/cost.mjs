// One measurement of costs.mjs, in a process of its own. Prints JSON.
import { start } from '../../dist/index.js';
import { readProfile } from '../../build/lib/pprof/reader.js';

const FUNCTIONS = 20_000;
const FRAMES = 25;
const SECONDS = 10;

/** Functions that have run, so that V8 has compiled them. */
function loadFunctions() {
  const source = Array.from({ length: FUNCTIONS }, (_, index) => `f${index}: function f${index}(x) { return x + ${index}; }`);
  const functions = new Function(`return { ${source.join(', ')} };`)();
  let sum = 0;
  for (const each of Object.values(functions)) sum += each(1);
  // Kept, so that none of them is collected.
  return { functions, sum };
}

function leaf(rounds) {
  let sum = 0;
  for (let round = 0; round < rounds; round++) sum += Math.sqrt(round) % 7;
  return sum;
}

/** Functions that call each other in a row, down to `leaf`; each too long for V8 to inline it. */
function chain(length) {
  const filler = Array.from({ length: 100 }, (_, index) => `rounds += rounds % ${index + 2};`).join(' ');
  const source = Array.from({ length }, (_, index) => {
    const next = index === length - 1 ? 'leaf' : `step${index + 1}`;
    return `function step${index}(rounds) { if (rounds < 0) { ${filler} } return ${next}(rounds); }`;
  });
  return new Function('leaf', `${source.join('\n')} return step0;`)(leaf);
}

globalThis.loaded = loadFunctions();
const timed = () => {
  const before = performance.now();
  const profiler = start({ intervalMicros: 1_000 });
  return { profiler, ms: performance.now() - before };
};
const first = timed();
await first.profiler.stop();
const { profiler, ms } = timed();

const cpuBefore = process.cpuUsage();
const end = performance.now() + SECONDS * 1_000;
const top = chain(FRAMES);
while (performance.now() < end) top(200_000);
const cpu = process.cpuUsage(cpuBefore);
const { stats, data } = await profiler.stop();
const depths = [...readProfile(data).samples()].map((sample) => sample.locationIds.length).sort((a, b) => a - b);

const micros = (nanos) => nanos / 1_000;
const ownNanos = stats.handlerTotalNanos + stats.resolveNanos + stats.collectionNanos + stats.tickerCpuNanos;
console.log(
  JSON.stringify({
    version: process.version,
    firstStartMs: first.ms,
    nextStartMs: ms,
    samples: stats.samples,
    frames: depths[Math.floor(depths.length / 2)],
    handlerP50: micros(stats.handlerP50Nanos),
    handlerP99: micros(stats.handlerP99Nanos),
    handlerMax: micros(stats.handlerMaxNanos),
    serializeMs: stats.serializeMaxNanos / 1e6,
    ownPercent: (100 * micros(ownNanos)) / (cpu.user + cpu.system),
  }),
);
