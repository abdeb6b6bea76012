// Ten million samples and ten thousand forks, over all Node versions: `node scripts/tally.mjs`, a step of `npm run test:long`. Each run of the stress program
// (__test__/stress) samples as often as the kernel's timers allow, in one of V8's modes; each run of the forking program (__test__/scenarios/fork-instants.mjs)
// forks a busy process at random instants. A run that crashes, hangs, drops more than one sample in ten thousand or shows too many bad ones fails.
//
//   node scripts/tally.mjs [--samples N] [--forks N] [--minutes N] [--jobs N] [--majors 20,26] [--kinds plain,jitless] [--save FILE]
//
// It ends when both counts are reached or the minutes are over. With --save what each run came to is appended to FILE, one JSON object a line, and what stands
// there already counts: the counts may be reached in several goes.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { majors as every } from '../__test__/helpers/nodes.mjs';
import { forkAtInstants } from '../__test__/helpers/instants.mjs';
import { isIn, KINDS, stress } from '../__test__/stress/kinds.mjs';
import { duration } from './steps.mjs';

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '10000000' },
    forks: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '60' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    majors: { type: 'string', default: every.join() },
    kinds: { type: 'string', default: Object.keys(KINDS).join() },
    save: { type: 'string' },
  },
});
const wanted = { samples: Number(values.samples), forks: Number(values.forks) };
const end = Date.now() + Number(values.minutes) * 60_000;
const [majors, kinds] = [values.majors.split(',').map(Number), values.kinds.split(',')];

/** Below it the kernel's timers decide. */
const INTERVAL_NANOS = 10_000;
const STRESS_MS = 20_000;
/** Of the samples of a run. Their time goes to the next one; at ten times the highest rate that users can ask for a buffer may fill up. */
const MOST_DROPPED = 1e-4;
/** Samples a second of CPU time, of any kind of stress. */
const LEAST_RATE = 2_000;
const FORKS = 250;
/** On a machine that is busy with something else a run takes longer, and means as much. */
const DEADLINE_MS = 20 * 60_000;
const CHILD_DEADLINE_MS = 5 * 60_000;
const FORKING = 'forks';

/** What is run, over and over, in an order in which none waits for long. */
const all = majors.flatMap((major) => [...kinds.filter((kind) => isIn(kind, major)), FORKING].map((kind) => ({ major, kind })));
const plan = all.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));

const done = values.save !== undefined && existsSync(values.save) ? readFileSync(values.save, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
const sum = (list, key) => list.reduce((total, one) => total + (one[key] ?? 0), 0);
const isOpen = (kind) => (kind === FORKING ? sum(done, 'forks') < wanted.forks : sum(done, 'samples') < wanted.samples);

async function once({ major, kind }) {
  const began = Date.now();
  const of = { major, kind };
  try {
    if (kind === FORKING) {
      const { stats, late, lateWithout } = await forkAtInstants(major, { count: FORKS, deadlineMs: DEADLINE_MS, childDeadlineMs: CHILD_DEADLINE_MS });
      const { samples, faults, brokenWalks, refusedWalks } = stats;
      return { ...of, samples, faults, unfinished: brokenWalks + refusedWalks, dropped: 0, forks: FORKS, late: late + lateWithout, ms: Date.now() - began };
    }
    const { stats, cpuSeconds, badShare, complaints, summary } = await stress(kind, major, { ms: STRESS_MS, intervalNanos: INTERVAL_NANOS, deadlineMs: DEADLINE_MS });
    const { samples, faults, brokenWalks, refusedWalks, droppedSamples, droppedByRecorder } = stats;
    const dropped = droppedSamples + droppedByRecorder;
    if (dropped > MOST_DROPPED * samples) complaints.push('too many samples were dropped');
    if (samples < LEAST_RATE * cpuSeconds) complaints.push(`${Math.round(samples / cpuSeconds)} samples a second of CPU time, ${LEAST_RATE} are the least`);
    const problem = complaints.length > 0 ? `${complaints.join('\n')}\n${summary}` : undefined;
    return { ...of, samples, faults, unfinished: brokenWalks + refusedWalks, dropped, bad: Math.round(badShare * samples), cpuSeconds, problem, ms: Date.now() - began };
  } catch (error) {
    return { ...of, problem: error.message, ms: Date.now() - began };
  }
}

let next = done.length;
async function worker() {
  while (Date.now() < end && plan.some(({ kind }) => isOpen(kind))) {
    const one = plan[next++ % plan.length];
    if (!isOpen(one.kind)) continue;
    const result = await once(one);
    done.push(result);
    if (values.save !== undefined) appendFileSync(values.save, `${JSON.stringify(result)}\n`);
    if (result.problem !== undefined) console.log(`FAILED  ${one.kind} (Node ${one.major}): ${result.problem}`);
  }
}

const count = (value) => value.toLocaleString('en');

function say() {
  const table = (title, key, names) => {
    for (const name of names) {
      const list = done.filter((one) => one[key] === name);
      const [cpu, walks] = [sum(list, 'cpuSeconds'), sum(list.filter((one) => one.cpuSeconds), 'samples')];
      const rate = cpu > 0 ? `, ${count(Math.round(walks / cpu))} a second of CPU time` : '';
      const what = `${count(sum(list, 'samples'))} samples${rate}, ${count(sum(list, 'bad'))} bad, ${count(sum(list, 'unfinished'))} walks broken off`;
      console.log(`  ${title}${name}: ${list.length} runs, ${what}, ${count(sum(list, 'faults'))} bad loads survived, ${count(sum(list, 'dropped'))} dropped, ${count(sum(list, 'forks'))} forks, ${count(sum(list, 'late'))} late`);
    }
  };
  table('Node ', 'major', majors);
  table('', 'kind', [...kinds, FORKING]);
}

const began = Date.now();
await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
say();
const failed = done.filter((one) => one.problem !== undefined).length;
const reached = ['samples', 'forks'].filter((key) => sum(done, key) >= wanted[key]);
console.log(`${count(sum(done, 'samples'))} samples of ${count(wanted.samples)} and ${count(sum(done, 'forks'))} forks of ${count(wanted.forks)} in ${done.length} runs, ${count(sum(done, 'faults'))} bad loads survived, in ${duration(Date.now() - began)}`);
// The two counts are checks, too.
console.log(`${done.length - failed + reached.length} passed, ${failed + 2 - reached.length} failed`);
process.exitCode = failed === 0 && reached.length === 2 ? 0 : 1;
