// What labels cost: a call of withLabels() beside one of AsyncLocalStorage.run(), around the same handler with ten awaits; and a sample of labelled
// work beside one of work without. Figures that are compared are taken in turns. Prints; nothing fails here but a run that crashes.
//   node bench/details/labels.mjs            all four Node majors
//   PRONGHORN_TEST_MAJORS=24 …      one of them
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../../__test__/helpers/nodes.mjs';

const program = fileURLToPath(new URL('labels-program.mjs', import.meta.url));
const median = (values) => [...values].sort((left, right) => left - right)[values.length >> 1];

function measure(major, ...args) {
  const result = spawnSync(nodePath(major), [program, ...args], { cwd: root, encoding: 'utf8', timeout: 120_000 });
  if (result.status !== 0) throw new Error(`${args.join(' ')} on Node ${major}: ${result.signal ?? result.status}\n${result.stderr}`);
  return JSON.parse(result.stdout);
}

const nanos = (value) => `${Math.round(value)} ns`;

const median5 = (major, ...names) => {
  const runs = Array.from({ length: 5 }, () => measure(major, 'cost', ...names));
  return { kind: runs[0].kind, of: (name) => median(runs.map((run) => run[name])) };
};

console.log('a handler with ten awaits: CPU time per call (median of 51 batches of 2,000; median of 5 processes; goal: one label < 1 µs above AsyncLocalStorage)');
for (const major of majors) {
  // In processes of their own: without labels no hook of ours is there, and without storages none of Node's.
  const plain = median5(major, 'nothing').of('nothing');
  const storage = median5(major, 'storage').of('storage');
  const above = (nanoseconds) => nanos(nanoseconds - storage);
  const labels = median5(major, 'labels');
  const more = median5(major, 'labels', 'three', 'ids');
  const both = median5(major, 'both').of('both');
  console.log(
    `  Node ${major} (${labels.kind}): nothing ${nanos(plain)}, AsyncLocalStorage.run ${nanos(storage)}, one label ${nanos(labels.of('labels'))} (${above(labels.of('labels'))} above); ` +
      `both ${above(both)} above, three labels ${above(more.of('three'))}, a new id each time ${above(more.of('ids'))}`,
  );
}

console.log('the signal handler: time of one sample, with and without labels on the work (7 processes each, in turns; median of their medians and means)');
for (const major of majors) {
  const runs = Array.from({ length: 7 }, () => ['plain', 'labelled'].map((what) => measure(major, what)));
  const of = (index, value) => median(runs.map((run) => run[index][value]));
  console.log(`  Node ${major}: p50 ${nanos(of(0, 'p50'))} without, ${nanos(of(1, 'p50'))} with; mean ${nanos(of(0, 'mean'))} without, ${nanos(of(1, 'mean'))} with`);
}
