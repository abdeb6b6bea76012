// One run of a bench in a process of its own: prints one JSON line. Arguments: what to measure, then its settings as JSON.
import vm from 'node:vm';

const [what, text] = process.argv.slice(2);
const settings = JSON.parse(text ?? '{}');
let sink = 1;

/** Loads and calls `count` small functions, so that all of them are compiled. */
function loadFunctions(count) {
  const lines = Array.from(
    { length: count },
    (_, index) => `function f${index}(v) { for (let i = 0; i < 4; i++) v = (v * 31 + ${index} + i) | 0; return v }`,
  );
  lines.push(`[${Array.from({ length: count }, (_, index) => `f${index}`).join(',')}]`);
  const functions = vm.runInThisContext(lines.join('\n'), { filename: 'functions.js' });
  for (let round = 0; round < 3; round++) for (const fn of functions) sink = fn(sink);
  return functions;
}

/** How long start() keeps the main thread, by its own clock and by ours. */
async function startPause() {
  loadFunctions(settings.functions);
  const { start } = await import('pronghorn');
  const pauses = [];
  for (let round = 0; round < 3; round++) {
    const begin = process.hrtime.bigint();
    const profiler = start();
    const outside = Number(process.hrtime.bigint() - begin);
    pauses.push({ outside, inside: profiler.stats().startNanos, first: round === 0 });
    await profiler.stop();
  }
  return { pauses };
}

/** The handler's own times at a given stack depth. */
async function handler() {
  const { start } = await import('pronghorn');
  const profiler = start({ intervalMicros: 1000 });
  const end = performance.now() + settings.ms;
  while (performance.now() < end) descend(settings.frames);
  const profile = await profiler.stop();
  return profile.stats;
}

function descend(depth) {
  if (depth > 1) return (descend(depth - 1) + 1) | 0;
  for (let index = 0; index < 300_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  return sink;
}

/** A fixed amount of work, with the profiler or without it: the thread's CPU time. */
async function overhead() {
  const functions = loadFunctions(2000);
  const { start } = settings.profile ? await import('pronghorn') : {};
  const profiler = start?.();
  const begin = process.cpuUsage();
  for (let round = 0; round < settings.rounds; round++) for (const fn of functions) sink = fn(sink);
  const { user, system } = process.cpuUsage(begin);
  const stats = await profiler?.stop();
  return { cpuMicros: user + system, samples: stats?.stats.samples };
}

const measured = await { startPause, handler, overhead }[what]();
console.log(JSON.stringify(measured));
