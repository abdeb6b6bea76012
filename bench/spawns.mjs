// What forks cost: 5,000 spawns under a 1 kHz profile, measured inside our fork handlers, and pairs of spawns with and without the profiler.
//   node bench/spawns.mjs [PAIRS]    all four Node majors; 1,000 pairs
//   PRONGHORN_TEST_MAJORS=24 …       one of them
// Prints; nothing fails here but a spawn that fails. A spawn takes milliseconds and its 99th percentile several times that: what the handlers take is
// seen in themselves alone, and spawns are compared by pairs, made in turns by two processes that do the same work in between.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../__test__/helpers/nodes.mjs';

const SPAWNS = 5_000;
const pairs = Number(process.argv[2] ?? 1_000);
const program = fileURLToPath(new URL('spawns-program.mjs', import.meta.url));

/** A process that spawns when it is asked to. */
async function spawner(major, profile) {
  const child = spawn(nodePath(major), [program, JSON.stringify({ profile })], { cwd: root, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
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

/** The median of the ratios with its 95% interval, by the order statistics of a binomial distribution. */
function ratioOf(with_, without) {
  const ratios = with_.map((one, index) => one / without[index]).sort((left, right) => left - right);
  const half = Math.ceil(0.98 * Math.sqrt(ratios.length));
  const at = (index) => ((ratios[Math.min(Math.max(index, 0), ratios.length - 1)] - 1) * 100).toFixed(2);
  const middle = ratios.length >> 1;
  return `${at(middle)}% (95%: ${at(middle - half)}% to ${at(middle + half)}%)`;
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

console.log(`spawn() and the child's end, ${pairs} interleaved pairs (goal: the median within 5%)`);
for (const major of majors) {
  const [profiled, plain] = [await spawner(major, true), await spawner(major, false)];
  const [calls, ends] = [
    { with: [], without: [] },
    { with: [], without: [] },
  ];
  for (let index = 0; index < pairs; index++) {
    const order = index % 2 === 0 ? ['with', 'without'] : ['without', 'with'];
    for (const side of order) {
      const { call, end } = await (side === 'with' ? profiled : plain).ask({ do: 'one' });
      calls[side].push(call);
      ends[side].push(end);
    }
  }
  console.log(
    `  Node ${major}: the call ${micros(median(calls.with))} against ${micros(median(calls.without))}, ${ratioOf(calls.with, calls.without)}; to the child's end ${ratioOf(ends.with, ends.without)}`,
  );
  await profiled.end();
  await plain.end();
}
