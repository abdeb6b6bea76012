// One measurement of labels.mjs, in a process of its own: node labels-program.mjs WHAT. Prints JSON.
import { AsyncLocalStorage } from 'node:async_hooks';
import { start, withLabels } from '../../dist/index.js';

const BATCHES = 61;
const CALLS = 2_000;
const storage = new AsyncLocalStorage();
const store = { user: 1 };
const median = (values) => [...values].sort((left, right) => left - right)[values.length >> 1];

/** A request's handler with ten awaits, which is in no scope of its own. */
async function handler() {
  let sum = 0;
  for (let index = 0; index < 10; index++) sum += await index;
  return sum;
}

let id = 0;
const ROUTES = Array.from({ length: 20 }, (_, index) => `/route/${index}`);
const WAYS = {
  nothing: () => handler(),
  storage: () => storage.run(store, handler),
  labels: () => withLabels({ route: ROUTES[(id += 1) % ROUTES.length] }, handler),
  // As many programs would have them: their own storage too.
  both: () => storage.run(store, () => withLabels({ route: ROUTES[(id += 1) % ROUTES.length] }, handler)),
  three: () => withLabels({ route: ROUTES[(id += 1) % ROUTES.length], method: 'GET', tenant: 'a' }, handler),
  ids: () => withLabels({ request: `request ${(id += 1)}` }, handler),
};

/** Nanoseconds per call of some ways, in turns. */
async function cost(names) {
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let batch = 0; batch < BATCHES; batch++) {
    for (const name of names) {
      const way = WAYS[name];
      const before = process.cpuUsage();
      for (let call = 0; call < CALLS; call++) await way();
      const { user, system } = process.cpuUsage(before);
      // The first ones are compiled meanwhile.
      if (batch >= 10) samples[name].push(((user + system) * 1_000) / CALLS);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(samples[name])]));
}

function work(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let round = 0; round < 50_000; round++) sum += Math.sqrt(round) % 7;
  return sum;
}

/** Time in the signal handler, with labels on what runs or without. */
async function handlerTime(labelled) {
  // Other storages that the program has, so that there is something to look through.
  const others = Array.from({ length: 3 }, () => new AsyncLocalStorage());
  const inOthers = (fn) => others.reduceRight((inner, other) => () => other.run(store, inner), fn)();
  const profiler = start({ intervalMicros: 1_000 });
  const run = async () => {
    for (let round = 0; round < 20; round++) {
      work(100);
      await round;
    }
  };
  await inOthers(() => (labelled ? withLabels({ route: '/a' }, run) : run()));
  const { stats } = await profiler.stop();
  return { p50: stats.handlerP50Nanos, p99: stats.handlerP99Nanos, mean: stats.handlerTotalNanos / stats.samples };
}

const [what, ...names] = process.argv.slice(2);
const measure = { cost: () => cost(names), labelled: () => handlerTime(true), plain: () => handlerTime(false) };
const result = await measure[what]();
console.log(JSON.stringify({ ...result, kind: process[Symbol.for('pronghorn.registry')]?.labelling?.tracking.kind }));
