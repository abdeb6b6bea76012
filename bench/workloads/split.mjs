// Three functions that take turns, each with a helper that is inlined into it, and the thread's CPU clock beside each call: the shares are known as they
// were in this very run. Each call takes a millisecond or more, since reading the clock is part of the program too, and in no share.
import { threadCpuMs } from '../programs/thread-clock.mjs';

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
  for (let index = 0; index < 4_800_000; index++) sink = step(sink) + 1;
}
function someOfIt() {
  for (let index = 0; index < 2_400_000; index++) sink = step(sink) + 2;
}
function littleOfIt() {
  for (let index = 0; index < 800_000; index++) sink = step(sink) + 3;
}

/** The innermost of these that a stack has is whose time it is: `step` is part of its caller. */
export const owners = ['mostOfIt', 'someOfIt', 'littleOfIt'];

export function split() {
  const parts = [mostOfIt, someOfIt, littleOfIt];
  const taken = parts.map(() => 0);
  return {
    /** What was before the profile does not count: the functions were not compiled yet. */
    begin() {
      taken.fill(0);
    },
    work() {
      let before = threadCpuMs();
      for (const [index, part] of parts.entries()) {
        part();
        const now = threadCpuMs();
        taken[index] += now - before;
        before = now;
      }
    },
    expected() {
      const all = taken.reduce((sum, each) => sum + each, 0);
      return Object.fromEntries(parts.map((part, index) => [part.name, { exactly: taken[index] / all }]));
    },
  };
}
