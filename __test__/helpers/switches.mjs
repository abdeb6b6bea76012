// How often the threads of a process have gone to sleep.
import { readdirSync, readFileSync } from 'node:fs';

/** Voluntary context switches of every task of a process, by its name and id: a thread that sleeps and wakes makes one. */
export function switches(pid) {
  const tasks = {};
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    tasks[`${/Name:\s+(.*)/.exec(status)[1]} ${task}`] = Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)[1]);
  }
  return tasks;
}
