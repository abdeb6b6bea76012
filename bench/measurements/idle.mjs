// What a contender costs a server that nobody calls, seen from outside: CPU time and voluntary context switches of all its threads. The processes wait side by side.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodePath, root } from '../../__test__/helpers/nodes.mjs';
import { cleanEnvironment, programPath } from '../runner/child.mjs';
import { goal, metric } from '../runner/metric.mjs';

export const names = [];
const SETTLE_MS = 3_000;
const WATCH_MS = 30_000;
const QUICK_MS = 2_000;
const GOAL_SHARE = 0.05;
const GOAL_WAKE_UPS = 2;

/** Of all threads of a process: CPU time in nanoseconds, and how often one of them went to sleep, which is as often as one was woken. */
function look(pid) {
  let cpuNanos = 0;
  let wakeUps = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}/`;
    cpuNanos += Number(readFileSync(`${folder}schedstat`, 'utf8').split(' ', 1)[0]);
    wakeUps += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`${folder}status`, 'utf8'))[1]);
  }
  return { cpuNanos, wakeUps, at: performance.now() };
}

async function waiter(cell) {
  const child = spawn(nodePath(cell.major), [programPath('idle'), JSON.stringify({ contender: cell.contender })], {
    cwd: root,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit').then(([code]) => ({ failure: `ended with ${code}` }));
  const began = await Promise.race([once(child.stdout, 'data').then(() => undefined), ended]);
  return { cell, child, failure: began?.failure };
}

export async function run(context) {
  const waiters = [];
  for (const major of context.majors) {
    for (const contender of context.contendersOn(major)) waiters.push(await waiter({ major, contender, round: 0 }));
  }
  try {
    await sleep(context.quick ? QUICK_MS / 2 : SETTLE_MS);
    const before = waiters.map(({ child, failure }) => failure === undefined && look(child.pid));
    await sleep(context.quick ? QUICK_MS : WATCH_MS);
    return waiters.map(({ cell, child, failure }, index) => {
      if (failure !== undefined) return { cell, result: { failure } };
      const [from, to] = [before[index], look(child.pid)];
      const seconds = (to.at - from.at) / 1_000;
      return { cell, result: { cpuPercent: (to.cpuNanos - from.cpuNanos) / 1e7 / seconds, wakeUps: (to.wakeUps - from.wakeUps) / seconds } };
    });
  } finally {
    for (const { child } of waiters) child.kill('SIGKILL');
  }
}

export function report(results, { majors }) {
  const cpu = metric({ name: 'idle server, CPU of one core', unit: '%', digits: 3, toNothing: false }, results, ({ cpuPercent }) => cpuPercent);
  const wakeUps = metric({ name: 'idle server, wake-ups a second', unit: '', toNothing: false }, results, (result) => result.wakeUps);
  const added = (each, major) => each.of(major, 'pronghorn')[0] - each.of(major, 'nothing')[0];
  return {
    metrics: [cpu, wakeUps],
    goals: [
      goal(`idle cost ≤ ${GOAL_SHARE}% of a core and at most ${GOAL_WAKE_UPS} wake-ups a second`, majors, (major) => {
        const [share, woken] = [added(cpu, major), added(wakeUps, major)];
        if (Number.isNaN(share)) return { met: undefined, figure: '—' };
        return { met: share <= GOAL_SHARE && woken <= GOAL_WAKE_UPS, figure: `${share.toFixed(3)}%, ${woken.toFixed(2)}` };
      }),
    ],
  };
}
