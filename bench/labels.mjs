// What labels cost: a call of withLabels() beside one of AsyncLocalStorage.run(), around the same handler with ten awaits; and a sample of labelled
// work beside one of work without. Figures that are compared are taken in turns. Prints; nothing fails here but a run that crashes.
//   node bench/labels.mjs            all four Node majors
//   PRONGHORN_TEST_MAJORS=24 …      one of them
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../__test__/helpers/nodes.mjs';

const program = fileURLToPath(new URL('labels-program.mjs', import.meta.url));
const median = (values) => [...values].sort((left, right) => left - right)[values.length >> 1];

function measure(major, ...args) {
  const result = spawnSync(nodePath(major), [program, ...args], { cwd: root, encoding: 'utf8', timeout: 120_000 });
  if (result.status !== 0) throw new Error(`${args.join(' ')} on Node ${major}: ${result.signal ?? result.status}\n${result.stderr}`);
  return JSON.parse(result.stdout);
}

const nanos = (value) => `${Math.round(value)} ns`;

console.log('a handler with ten awaits: CPU time per call, in turns (median of 51 batches of 2,000; median of 5 processes; goal: labels < 1 µs above storage)');
for (const major of majors) {
  const runs = Array.from({ length: 5 }, () => measure(major, 'cost', 'storage', 'labels', 'three', 'ids'));
  // A process in which nothing uses labels: without them no hook of ours is there.
  const without = Array.from({ length: 5 }, () => measure(major, 'cost', 'nothing', 'storage'));
  const of = (name, all = runs) => median(all.map((run) => run[name]));
  const above = (name) => nanos(median(runs.map((run) => run[name])) - of('storage', without));
  console.log(
    `  Node ${major} (${runs[0].kind}): nothing ${nanos(of('nothing', without))}, AsyncLocalStorage.run ${nanos(of('storage', without))}, beside labels ${nanos(of('storage'))}; ` +
      `one label ${nanos(of('labels'))} (${above('labels')} above), three ${above('three')}, a new id each time ${above('ids')}`,
  );
}

console.log('the signal handler: time of one sample, with and without labels on the work (7 processes each, in turns; median of their medians and means)');
for (const major of majors) {
  const runs = Array.from({ length: 7 }, () => ['plain', 'labelled'].map((what) => measure(major, what)));
  const of = (index, value) => median(runs.map((run) => run[index][value]));
  console.log(`  Node ${major}: p50 ${nanos(of(0, 'p50'))} without, ${nanos(of(1, 'p50'))} with; mean ${nanos(of(0, 'mean'))} without, ${nanos(of(1, 'mean'))} with`);
}
