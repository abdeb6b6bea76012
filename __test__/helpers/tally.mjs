// Counts, over a whole `npm run test:long`, the samples taken and the forks noticed in the programs that the tests run. Each test file is
// a process of its own, so what they count goes into a file that PRONGHORN_TEST_TALLY names; without it nothing is counted.
import { appendFileSync } from 'node:fs';

const file = process.env.PRONGHORN_TEST_TALLY;

/**
 * Counts what the statistics somewhere in `report` say. Those of one session are counted once: they only grow. `children` is how many of the program's forks
 * lived to tell, where that is known; the statistics miss those that run no handlers.
 */
export function tally(report, { children } = {}) {
  if (file === undefined) return;
  const sessions = new Map();
  collect(report, sessions);
  const say = (counts) => appendFileSync(file, `${JSON.stringify(counts)}\n`);
  for (const { samples, forks, faults } of sessions.values()) say({ samples, forks: children === undefined ? forks : 0, faults });
  if (children !== undefined) say({ forks: children });
}

function collect(value, sessions) {
  if (value === null || typeof value !== 'object') return;
  if (typeof value.startNanos === 'number' && typeof value.samples === 'number') {
    const last = sessions.get(value.startNanos);
    if (last === undefined || last.samples < value.samples) sessions.set(value.startNanos, value);
    return;
  }
  for (const inner of Object.values(value)) collect(inner, sessions);
}
