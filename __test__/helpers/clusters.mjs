// What the cluster applications of ../scenarios have in common: work that a profile shows, and ways to fork, wait and report.
import cluster from 'node:cluster';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { report, rest, settings } from './scenario.mjs';

/** The code of an error. */
export const code = (error) => error?.code ?? (error === undefined ? undefined : String(error));

// ---- what workers compute, by names that a profile shows

let sink = 1;
const chunk = () => {
  for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
};
/** Computes for some milliseconds of CPU time, however busy the machine is. */
export function burnFor(ms) {
  const before = process.cpuUsage();
  do chunk();
  while (spent(before) < ms);
}
function spent(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
/** Does nothing else until the primary has taken the file away. */
export function hang() {
  writeFileSync(HANGING, '');
  while (existsSync(HANGING)) chunk();
}
export const HANGING = `${settings.out}/hanging`;
export const firstLines = () => burnFor(60);
let hums = 0;
/** What a worker does all the time, and counts where the primary can see it. */
const hummed = () => writeFileSync(humsOf(cluster.worker.id), `${++hums}`);
export function workerHums() {
  burnFor(8);
  hummed();
}
export function handleRequest() {
  burnFor(4);
  hummed();
}
const humsOf = (id) => `${settings.out}/hums-${id}`;

// ---- what primaries do

/** Waits until every one of these workers has said that it runs. */
export const online = (workers) => Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
/** Waits until each of these workers has done some work from now on. */
export async function humming(...ids) {
  const count = (id) => (existsSync(humsOf(id)) ? Number(readFileSync(humsOf(id), 'utf8')) : 0);
  const before = new Map(ids.map((id) => [id, count(id)]));
  await until(() => ids.every((id) => count(id) >= before.get(id) + 4));
}
export async function until(condition) {
  const end = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`time ran out: ${condition}`);
    await rest(10);
  }
}
export const ended = (worker) => (worker.isDead() ? undefined : new Promise((resolve) => worker.process.once('exit', resolve)));
export const forkWorkers = (count, env) => Array.from({ length: count }, () => cluster.fork(env));
export async function forkOnline(count, env) {
  const workers = forkWorkers(count, env);
  await online(workers);
  return workers;
}
export async function endAll() {
  const workers = Object.values(cluster.workers);
  for (const worker of workers) worker.process.kill('SIGKILL');
  await Promise.all(workers.map(ended));
}

export async function timed(promise) {
  const before = performance.now();
  return [await promise, performance.now() - before];
}

let kept = 0;
/** What the test needs to know of a result. */
export async function shown(profile) {
  const file = await profile.save(`${settings.out}/cluster-${++kept}.pb.gz`);
  const processes = [];
  for (const part of profile.processes) {
    const own = part.profile && (await part.profile.save(`${settings.out}/cluster-${kept}-${part.workerId ?? 0}.pb.gz`));
    const { role, workerId, processId, error, stats } = part;
    processes.push({ role, workerId, processId, file: own, code: error?.code, message: error?.message, samples: stats?.samples });
  }
  return { file, startTimeNanos: profile.startTimeNanos, endTimeNanos: profile.endTimeNanos, processes };
}

/**
 * Runs the case that the test asked for; the primary's value is the report.
 *
 * @param early whether a worker is forked before the package is imported
 */
export async function runCase(primaries, workers, { early = false } = {}) {
  if (!cluster.isPrimary) return workers[settings.case]();
  const keptFork = cluster.fork;
  const first = early ? cluster.fork() : undefined;
  if (first) await online([first]);
  const pronghorn = settings.without ? undefined : await import('pronghorn');
  report(await primaries[settings.case](pronghorn, keptFork, first));
}
