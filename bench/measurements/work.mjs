// Programs at work under each contender, at 100 Hz: time, CPU time, latencies, and the size of the profile; and what pronghorn's own paths take by its own clocks.
import { median } from '../runner/statistics.mjs';
import { goal, metric } from '../runner/metric.mjs';
import { percent } from '../runner/format.mjs';
import { installed } from '../runner/peers.mjs';
import { workloads } from '../workloads/index.mjs';
import { interleave } from './interleave.mjs';

export const names = workloads.map(({ name }) => name);
/** Enough for a comparison with peers, which are further away. */
const PEER_ROUNDS = 1;
const GOAL_OWN = 0.005;
const GOAL_END_TO_END = 1.015;
const GOAL_SLICE_MS = 1;
/** The workloads that goals speak of. */
const JUDGED = new Set(['compiler', 'server']);

export const cells = (context) =>
  workloads
    .filter(({ name, needs }) => context.wants(name, 'work') && (needs === undefined || installed(needs)))
    .flatMap(({ name, rounds }) =>
      interleave(context, { rounds: context.rounds(rounds), peerRounds: context.rounds(PEER_ROUNDS) }, (_major, contender) => [
        { workload: name, program: 'work', settings: { contender, workload: name, quick: context.quick } },
      ]),
    );

const sum = (parts) => Object.values(parts).reduce((total, part) => total + part, 0);

function metricsOf({ name, title, unit }, results) {
  const of = (what, options, value) => metric({ name: `${title}: ${what}`, ...options }, results, value);
  const list = [
    of(`${unit} a second`, { unit: '', higherIsBetter: true, digits: 1 }, ({ operations, wallMs }) => (1_000 * operations) / wallMs),
    of('CPU time', { unit: 'ms', digits: 0 }, ({ cpuMs }) => cpuMs),
    of('profile', { unit: 'KB', digits: 1, toNothing: false }, ({ bytes }) => bytes && bytes / 1e3),
  ];
  if (name === 'server') {
    list.push(
      of('latency, 99th percentile', { unit: 'ms' }, ({ latency }) => latency.p99),
      of('latency, greatest', { unit: 'ms' }, ({ latency }) => latency.max),
    );
  }
  return list;
}

/** A sentence for each workload and major: where our own time goes. */
function ownPaths(title, results, majors) {
  return majors.flatMap((major) => {
    const runs = results.filter(({ cell, result }) => cell.major === major && cell.contender === 'pronghorn' && result.own !== undefined).map(({ result }) => result);
    if (runs.length === 0) return [];
    const part = (key) => percent(median(runs.map(({ own, cpuMs }) => own[key] / cpuMs)), 3);
    const slice = (key) => `${Math.max(...runs.map(({ longestSlices }) => longestSlices[key])).toFixed(2)} ms`;
    return [
      `${title}, Node ${major}: handler ${part('handler')}, resolving ${part('resolve')}, stacks before collections ${part('collections')}, ticker ${part('ticker')}, stopping and encoding one profile ${part('encode')} of the CPU time; longest slices: resolving ${slice('resolve')}, handler ${slice('handler')}, rotation ${slice('rotation')}.`,
    ];
  });
}

export function report(results, { majors }) {
  const metrics = [];
  const notes = [];
  const goals = [];
  for (const workload of workloads) {
    const these = results.filter(({ cell }) => cell.workload === workload.name);
    if (these.length === 0) continue;
    const list = metricsOf(workload, these);
    metrics.push(...list);
    notes.push(...ownPaths(workload.title, these, majors));
    if (!JUDGED.has(workload.name)) continue;
    const own = metric({ name: 'own paths' }, these, (result) => (result.own === undefined ? undefined : sum(result.own) / result.cpuMs));
    // A run of seconds pays for one profile, as a minute of a real program does.
    const sampling = metric({ name: 'own paths but encoding' }, these, ({ own: parts, cpuMs }) => (parts === undefined ? undefined : (sum(parts) - parts.encode) / cpuMs));
    const [, cpu] = list;
    goals.push(
      goal(`${workload.title}: CPU added by our own paths ≤ 0.5%`, majors, (major) => {
        const share = median(own.of(major, 'pronghorn'));
        return { met: share === undefined ? undefined : share <= GOAL_OWN, figure: share === undefined ? '—' : `${percent(share)}, ${percent(median(sampling.of(major, 'pronghorn')))} before its one profile` };
      }),
      goal(`… end to end, in pairs, not wholly above 1.5%`, majors, (major) => {
        const { median: middle, low, high } = cpu.toNothingOf(major);
        if (low === undefined) return { met: undefined, figure: middle === undefined ? '—' : `${percent(middle - 1)}, too few pairs` };
        return { met: low <= GOAL_END_TO_END, figure: `${percent(middle - 1)} (${percent(low - 1)} to ${percent(high - 1)})` };
      }),
      goal(`… no pass of resolving and no run of the handler above ${GOAL_SLICE_MS} ms, by the CPU clock`, majors, (major) => {
        const longest = Math.max(...metric({ name: 'longest slice' }, these, ({ longestSlices: slices }) => slices && Math.max(slices.resolve, slices.handler)).of(major, 'pronghorn'));
        return Number.isFinite(longest) ? { met: longest <= GOAL_SLICE_MS, figure: `${longest.toFixed(2)} ms` } : { met: undefined, figure: '—' };
      }),
    );
  }
  return { metrics, notes, goals };
}
