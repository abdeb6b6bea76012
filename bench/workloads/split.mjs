// Three functions that take turns, each with a helper that is inlined into it, and a clock beside each call: the shares are known as they were in this very run.
import { threadCpuMs } from '../programs/turns.mjs';

let sink = 1;

function step(value) {
  let mixed = value;
  mixed ^= mixed << 13;
  mixed ^= mixed >>> 17;
  mixed ^= mixed << 5;
  return (Math.imul(mixed, 69069) + 1) | 0;
}

// V8 may inline all of them into their caller: a profiler that does not see that gives the caller everything.
function mostOfIt() {
  for (let index = 0; index < 600_000; index++) sink = step(sink) + 1;
}
function someOfIt() {
  for (let index = 0; index < 300_000; index++) sink = step(sink) + 2;
}
function littleOfIt() {
  for (let index = 0; index < 100_000; index++) sink = step(sink) + 3;
}

/** The innermost of these that a stack has is whose time it is: `step` is part of its caller. */
export const owners = ['mostOfIt', 'someOfIt', 'littleOfIt'];

export function split() {
  const parts = [mostOfIt, someOfIt, littleOfIt];
  let taken = parts.map(() => 0);
  let calls = 0;
  return {
    work() {
      // What was before the profile does not count: the shares hardly move, so only the first calls, which are not yet compiled, are left out.
      if ((calls += 1) === 30) taken = parts.map(() => 0);
      for (const [index, part] of parts.entries()) {
        const began = threadCpuMs();
        part();
        taken[index] += threadCpuMs() - began;
      }
    },
    expected() {
      const all = taken.reduce((sum, each) => sum + each, 0);
      return Object.fromEntries(parts.map((part, index) => [part.name, { share: undefined, exactly: taken[index] / all }]));
    },
  };
}
