// What every forking program of ../scenarios starts with: the addons, the package under test, and a fork that reads like a call.
//
//   const child = await inChild(async () => {…; return value});
//
// runs the function in a forked child, which goes on in JavaScript with everything its parent had, and gives the parent `{ pid, status, value }`.
import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BINARY } from './binary.mjs';
import { readProfile, total } from './pprof.mjs';

const require = createRequire(import.meta.url);

/** What the test passed. */
export const settings = JSON.parse(process.argv[2]);

/** The addon that forks. */
export const forker = require(settings.forkFixture);

/** The addon that burns, blocks and sends signals. */
export const fixture = require(settings.fixture);

// Registered before the profiler's, the fixture's own handlers run behind them when a fork is prepared.
if (settings.forkHandlers) forker.countForkHandlers();

const { dlopen } = process;
/** The object by which the package itself calls its native half, which it loads when it is imported. */
export let ownNativeHalf;
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest);
  ownNativeHalf = module.exports;
};
/** The package under test, through its published entry. */
export const pronghorn = await import(pathToFileURL(join(settings.package, 'dist/index.js')));
process.dlopen = dlopen;

/** The native half itself; loads it. */
export const native = () => require(join(settings.package, BINARY));

/** A module of the package by itself: another copy of it, as far as the process is concerned. */
export const lib = (name) => import(pathToFileURL(join(settings.package, `build/lib/${name}.js`)));

/** The package's own chain; there is one once a profiler has been started. */
export const resetChain = () => native().registry().forkAware.chain;

/** The key of the options that only tests use. */
export const TEST_OPTIONS = Symbol.for('pronghorn.testOptions');

/** The parts of the recipe (crates/fork-fixture/src/recipe.rs). */
export const PAGES = 1;
export const LOOP = 2;
export const DIES_WITH_PARENT = 4;
export const WHOLE = PAGES | LOOP | DIES_WITH_PARENT;

/** The process that the test started. */
export const first = forker.getpid();

const plain = (_key, value) => (typeof value === 'bigint' ? `${value}` : value);
const fileOf = (pid) => join(settings.out, `${pid}.jsonl`);

/** Writes one line for the test. */
export function emit(kind, value) {
  const pid = forker.getpid();
  appendFileSync(fileOf(pid), `${JSON.stringify({ pid, kind, value }, plain)}\n`);
}

/**
 * Forks. Returns 0 in the child and its pid in the parent.
 *
 * @param {{ kind?: 'fork' | '_Fork' | 'clone', parts?: number }} [how]
 */
export function forkNow({ kind = 'fork', parts = WHOLE } = {}) {
  const pid = forker.fork(kind, parts);
  if (pid < 0) throw Object.assign(new Error(`${kind} failed`), { errno: -pid });
  return pid;
}

/** What a child does: runs `main`, writes its value, and ends. Never returns. */
export async function asChild(main) {
  process.reallyExit = forker.exitNow;
  let code = 0;
  try {
    emit('child', await main());
  } catch (error) {
    emit('error', error?.stack ?? String(error));
    code = 70;
  }
  process.exit(code);
}

/**
 * Runs `main` in a child that is forked now.
 *
 * @template T
 * @param {() => T | Promise<T>} main
 * @param {{ kind?: 'fork' | '_Fork' | 'clone', parts?: number, deadlineMs?: number, pollMs?: number }} [how] `pollMs`: how often to look whether it has ended
 * @returns {Promise<{ pid: number, status: number, value: T }>} once the child has ended
 */
export async function inChild(main, how = {}) {
  const pid = forkNow(how);
  if (pid === 0) return never(asChild(main));
  return outcome(pid, how);
}

/**
 * The same, with another child where the fork was late: on a busy machine the ticker may lose its turn for a millisecond where a fork must not find it,
 * and then the child stays off.
 *
 * @returns the child, and how many there were before it
 */
export async function inChildOnTime(main, how) {
  for (let late = 0; late < 5; late++) {
    const child = await inChild(() => (native().forkState().late ? { late: true } : main()), how);
    if (child.value?.late !== true) return { ...child, late };
  }
  throw new Error('five forks in a row were late');
}

/** In a child nothing that its parent was about to do may go on. */
export const never = (work) => new Promise((_resolve, reject) => work.catch(reject));

/**
 * Waits for a child, without blocking, and kills it when its time is over. Throws unless it ended with 0.
 *
 * @param {number} pid
 */
export async function outcome(pid, { deadlineMs = 10_000, pollMs = 1 } = {}) {
  const end = performance.now() + deadlineMs;
  let status;
  while ((status = forker.waitpid(pid, 1)) === -1 && performance.now() < end) await rest(pollMs);
  if (status === -1) {
    const where = threadStates(pid);
    forker.kill(pid, 9);
    forker.waitpid(pid, 0);
    throw new Error(`child ${pid} hangs: ${where}\n${said(pid)}`);
  }
  const value = linesOf(pid).findLast((line) => line.kind === 'child')?.value;
  if (status !== 0) throw new Error(`child ${pid} ended with ${status > 1000 ? `signal ${status - 1000}` : status}\n${said(pid)}`);
  return { pid, status, value };
}

function linesOf(pid) {
  return existsSync(fileOf(pid)) ? readFileSync(fileOf(pid), 'utf8').trim().split('\n').map((line) => JSON.parse(line)) : [];
}

const said = (pid) => linesOf(pid).map((line) => `${line.kind}: ${typeof line.value === 'string' ? line.value : JSON.stringify(line.value)}`).join('\n');

function threadStates(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => {
      const read = (name) => readFileSync(`/proc/${pid}/task/${task}/${name}`, 'latin1').split('\n', 1)[0];
      try {
        return `${task} ${read('comm')}: ${read('wchan')} ${read('syscall')}`;
      } catch {
        return task;
      }
    })
    .join('; ');
}

/** Waits without blocking. */
export const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let sink = 1;

function chunk() {
  for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

/** Computes for `ms` of this thread's CPU time, so that a busy machine changes nothing: what only parents do. */
export function parentOnly(ms) {
  const end = forker.threadCpuNanos(0) + ms * 1e6;
  while (forker.threadCpuNanos(0) < end) chunk();
  return sink;
}

/** The same: what only children do. */
export function childOnly(ms) {
  const end = forker.threadCpuNanos(0) + ms * 1e6;
  while (forker.threadCpuNanos(0) < end) chunk();
  return sink;
}

/**
 * Computes until the profiler has seen it: a busy machine may leave the ticker without a turn for many milliseconds.
 *
 * @param {() => number} samples how many there are by now
 * @param {(ms: number) => void} burn {@link parentOnly} or {@link childOnly}
 * @returns how many there were more
 */
export function untilSampled(samples, burn, { atLeast = 3, ms = 1_000 } = {}) {
  const before = samples();
  const end = forker.threadCpuNanos(0) + ms * 1e6;
  do burn(4);
  while (samples() < before + atLeast && forker.threadCpuNanos(0) < end);
  return samples() - before;
}

/**
 * Lets the event loop come round and poll, so that it has looked whether this process was forked off. The first immediate may belong to the round
 * in which the fork was made.
 */
export const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** What a test wants to know of a profile: whose work it shows, how much, when, and by which threads. */
export function digest(profile) {
  const { samples, timeNanos, durationNanos, comments, raw } = readProfile(profile.data);
  const count = (name) => total(samples.filter((sample) => sample.stack.some((frame) => frame.name === name)), 'count');
  return {
    parent: count('parentOnly'),
    child: count('childOnly'),
    count: total(samples, 'count'),
    cpu: total(samples, 'cpu'),
    wall: total(samples, 'wall'),
    start: profile.startTimeNanos,
    end: profile.endTimeNanos,
    timeNanos,
    durationNanos,
    comments,
    // In the string table, whether or not a sample has it.
    names: ['parentOnly', 'childOnly'].filter((name) => raw.stringTable.strings.includes(name)),
    threads: [...new Set(samples.map((sample) => sample.threadId))],
    markers: [...new Set(samples.flatMap((sample) => sample.stack.filter((frame) => frame.marker).map((frame) => frame.name)))],
  };
}

/** Keeps a profile for the test. */
export function keep(profile, name) {
  const file = join(settings.out, `${name}.pb.gz`);
  writeFileSync(file, profile.data);
  return file;
}

/** Runs the scenario that the test asked for; its value is the report. */
export async function scenarios(list) {
  emit('report', await list[settings.scenario]());
  process.exit(0);
}
