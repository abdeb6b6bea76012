// How often the threads of a process have gone to sleep.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from './child.mjs';
import { long } from './nodes.mjs';

/** Voluntary context switches of every task of a process, by its name and id: a thread that sleeps and wakes makes one. */
export function switches(pid) {
  const tasks = {};
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    tasks[`${/Name:\s+(.*)/.exec(status)[1]} ${task}`] = Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)[1]);
  }
  return tasks;
}

/** Wake-ups of a process that is idle from here on: those of our thread, and those of all others. */
export async function idleSwitches(pid) {
  await sleep(long ? 10_000 : 1_500);
  const before = switches(pid);
  await sleep(long ? 20_000 : 4_000);
  const woke = Object.entries(switches(pid))
    .map(([task, count]) => ({ task, count: count - (before[task] ?? 0) }))
    .filter(({ count }) => count > 0);
  const sum = (isCounted) => woke.filter(({ task }) => isCounted(task)).reduce((total, { count }) => total + count, 0);
  const isOurs = (task) => task.startsWith('pronghorn');
  return { ours: sum(isOurs), theirs: sum((task) => !isOurs(task)), woke };
}

/**
 * Our thread sleeps as long as the others do, and wakes none of them. In a long look V8's tidying up, some 10 to 20 seconds after the last work,
 * may fall on one process and not on the other; each thread that it wakes may wake ours.
 */
export function assertAsleep(withProfiler, without) {
  const seen = `${JSON.stringify(withProfiler)}; without pronghorn ${JSON.stringify(without)}`;
  assert.ok(withProfiler.ours <= 2 + (long ? 4 * withProfiler.theirs : 0), seen);
  if (!long) assert.ok(withProfiler.theirs <= without.theirs + 2, seen);
}
