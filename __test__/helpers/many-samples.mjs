// A profile of as many samples as one asks for, each with a stack of its own: the same one each time.
import { buildProfile } from '../lib/build-profile.mjs';

const places = [
  (index) => `file:///app/src/module${index % 40}.mjs`,
  (index) => `/app/node_modules/package${index % 25}/lib/index.js`,
  () => 'node:internal/streams/readable',
  () => '(builtin)',
];

/** @returns {Buffer} gzipped pprof with samples, cpu and wall, labelled with two processes of two threads */
export function manySamples(count, { functions = 3000, depth = 28 } = {}) {
  // A linear congruential generator (Numerical Recipes): figures that look random and are the same each time.
  let state = 12_345;
  const random = (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const frame = (index) => (index % 5 === 4 ? `0x${(index * 64 + 4096).toString(16)}@/usr/bin/node` : `function${index} ${places[index % 5](index)}:${1 + (index % 900)}`);
  const stacks = [];
  let stack = [];
  while (stacks.length < count) {
    // Each stack keeps a part of the one before it, as those of a program do.
    stack = stack.slice(0, Math.min(stack.length, random(depth)));
    const goal = stack.length + 1 + random(depth - 2);
    while (stack.length < goal) stack.push(frame(stack.length < 6 ? stack.length * 20 + random(1 + stack.length) : random(functions)));
    const leaf = random(1 + random(500));
    const cpu = 1_000_000 + random(9_000_000);
    const process = 100 + random(2);
    stacks.push({
      stack: [`leaf${leaf} file:///app/src/leaf.mjs:${1 + leaf}`, ...stack.toReversed()],
      values: [1, cpu, cpu + random(90_000_000)],
      labels: { 'process id': process, 'thread id': process + 10 * random(2), 'thread name': 'main' },
    });
  }
  return buildProfile({ stacks, comment: `${count} samples` });
}
