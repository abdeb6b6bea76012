// What forks cost: 5,000 spawns under a 1 kHz profile, measured inside our fork handlers, and pairs of spawns with and without the profiler.
//   node bench/spawns.mjs [PAIRS [SPAWNS]]    all four Node majors; 1,000 pairs of each program
//   PRONGHORN_TEST_MAJORS=24 …       one of them
// Prints; nothing fails here but a spawn that fails. A spawn takes milliseconds and its 99th percentile several times that: what the handlers take is
// seen in themselves alone, and spawns are compared by pairs, made in turns by two processes that do the same work in between. A fork costs what there is
// to copy, so there are two programs: one that has a compiler and what it has parsed in memory, and one that has nothing but Node.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../__test__/helpers/nodes.mjs';

const SPAWNS = Number(process.argv[3] ?? 5_000);
const pairs = Number(process.argv[2] ?? 1_000);
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

/** The logarithm of the median ratio, and of half its 95% interval, by the order statistics of a binomial distribution. */
function ratioOf(with_, without) {
  const ratios = with_.map((one, index) => Math.log(one / without[index])).sort((left, right) => left - right);
  const middle = ratios.length >> 1;
  const half = Math.ceil(0.98 * Math.sqrt(ratios.length));
  const at = (index) => ratios[Math.min(Math.max(index, 0), ratios.length - 1)];
  return { median: at(middle), half: (at(middle + half) - at(middle - half)) / 2 };
}

/** The mean of both rounds, as people read it. */
function shown(rounds) {
  const mean = rounds.reduce((sum, { median: one }) => sum + one, 0) / rounds.length;
  const half = Math.hypot(...rounds.map((one) => one.half)) / rounds.length;
  const percent = (value) => `${value < 0 ? '' : '+'}${((Math.exp(value) - 1) * 100).toFixed(1)}%`;
  return `${percent(mean)} (95%: ${percent(mean - half)} to ${percent(mean + half)})`;
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

/** Pairs of spawns by one program, with and without the profiler; `first` is the side whose process is started first. */
async function round(major, program, first) {
  const sides = first === 'with' ? ['with', 'without'] : ['without', 'with'];
  const spawners = {};
  for (const side of sides) spawners[side] = await spawner(major, side === 'with', program);
  const [calls, ends] = [
    { with: [], without: [] },
    { with: [], without: [] },
  ];
  for (let index = 0; index < pairs / 2; index++) {
    for (const side of index % 2 === 0 ? sides : [...sides].reverse()) {
      const { call, end } = await spawners[side].ask({ do: 'one' });
      calls[side].push(call);
      ends[side].push(end);
    }
  }
  for (const side of sides) await spawners[side].end();
  return { plain: median(calls.without), call: ratioOf(calls.with, calls.without), end: ratioOf(ends.with, ends.without) };
}

/** Both rounds: of two processes that do the same, the one that was started first forks up to 15% slower here, with or without the profiler. */
async function compare(major, program) {
  const rounds = [await round(major, program, 'with'), await round(major, program, 'without')];
  const plain = rounds.map((one) => micros(one.plain)).join(' and ');
  console.log(`  Node ${major}, ${program}: ${plain} without; the call ${shown(rounds.map((one) => one.call))}; to the child's end ${shown(rounds.map((one) => one.end))}`);
}

console.log(`spawn() and the child's end, ${pairs} interleaved pairs (goal: the median within 5%)`);
for (const program of ['compiler', 'empty']) for (const major of majors) await compare(major, program);
