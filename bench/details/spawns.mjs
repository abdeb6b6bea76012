// What forks cost: 5,000 spawns under a 1 kHz profile, measured inside our fork handlers, and pairs of spawns with and without the profiler.
//   node bench/details/spawns.mjs [PAIRS [SPAWNS]]    all four Node majors; 1,000 pairs of each program
//   PRONGHORN_TEST_MAJORS=24 …       one of them
// Prints; nothing fails here but a spawn that fails. A spawn takes milliseconds and its 99th percentile several times that: what the handlers take is
// seen in themselves alone, and spawns are compared by pairs, made in turns by two processes that do the same work in between. Two processes that are the same differ
// by 3% for as long as they live (where their pages happen to lie), so a couple of processes makes few pairs, and there are many couples. A fork costs what there is
// to copy, so there are two programs: one that has a compiler and what it has parsed in memory, and one that has nothing but Node.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../../__test__/helpers/nodes.mjs';

const SPAWNS = Number(process.argv[3] ?? 5_000);
const pairs = Number(process.argv[2] ?? 1_000);
const PAIRS_OF_COUPLE = 25;
const file = fileURLToPath(new URL('spawns-program.mjs', import.meta.url));

/** A process that spawns when it is asked to. */
async function spawner(major, profile, program = 'empty') {
  const child = spawn(nodePath(major), [file, JSON.stringify({ profile, program })], { cwd: root, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(child, 'message');
  return {
    async ask(command) {
      child.send(command);
      const [answer] = await once(child, 'message');
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    async end() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

const median = (values) => [...values].sort((left, right) => left - right)[values.length >> 1];
const micros = (nanos) => `${(nanos / 1e3).toFixed(2)} µs`;

/** The median of what the couples differ by, with its 95% interval, by the order statistics of a binomial distribution. */
function shown(ratios) {
  const sorted = [...ratios].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const half = Math.ceil(0.98 * Math.sqrt(sorted.length));
  const at = (index) => sorted[Math.min(Math.max(index, 0), sorted.length - 1)] - 1;
  const percent = (value) => `${value < 0 ? '' : '+'}${(value * 100).toFixed(1)}%`;
  return `${percent(at(middle))} (95%: ${percent(at(middle - half))} to ${percent(at(middle + half))})`;
}

console.log(`${SPAWNS} spawns under a 1 kHz profile: time in prepare and parent handler together (goal p50 < 2 µs, p99 < 20 µs)`);
for (const major of majors) {
  const profiled = await spawner(major, true);
  const { failed, stats } = await profiled.ask({ do: 'many', count: SPAWNS });
  console.log(
    `  Node ${major}: p50 ${micros(stats.forkHandlersP50Nanos)}, p99 ${micros(stats.forkHandlersP99Nanos)} over ${stats.forks} forks, ${stats.lateForks} late; ${failed} spawns failed; ${stats.samples} samples meanwhile`,
  );
  await profiled.end();
}

/** A couple of fresh processes, with and without the profiler, and their medians; `first` is the side that is started first. */
async function couple(major, program, first) {
  const sides = first === 'with' ? ['with', 'without'] : ['without', 'with'];
  const spawners = {};
  for (const side of sides) spawners[side] = await spawner(major, side === 'with', program);
  const took = { with: { call: [], end: [] }, without: { call: [], end: [] } };
  for (let index = 0; index < PAIRS_OF_COUPLE; index++) {
    for (const side of index % 2 === 0 ? sides : [...sides].reverse()) {
      const { call, end } = await spawners[side].ask({ do: 'one' });
      took[side].call.push(call);
      took[side].end.push(end);
    }
  }
  for (const side of sides) await spawners[side].end();
  const ratio = (kind) => median(took.with[kind]) / median(took.without[kind]);
  return { plain: median(took.without.end), call: ratio('call'), end: ratio('end') };
}

async function compare(major, program) {
  const couples = [];
  for (let index = 0; index < pairs / PAIRS_OF_COUPLE; index++) couples.push(await couple(major, program, index % 2 === 0 ? 'with' : 'without'));
  const plain = micros(median(couples.map((one) => one.plain)));
  console.log(`  Node ${major}, ${program}: ${plain} without; the call ${shown(couples.map((one) => one.call))}; to the child's end ${shown(couples.map((one) => one.end))}`);
}

console.log(`spawn() and the child's end, ${pairs} interleaved pairs by ${Math.ceil(pairs / PAIRS_OF_COUPLE)} couples of processes (goal: the median within 5%)`);
for (const program of ['compiler', 'empty']) for (const major of majors) await compare(major, program);
