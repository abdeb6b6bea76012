// How long a rotation keeps the main thread: the longest turn of the event loop from the call to the profile's bytes, at 100 Hz.
import { quantile } from '../runner/statistics.mjs';
import { goal, metric } from '../runner/metric.mjs';
import { interleave } from './interleave.mjs';

export const names = ['functions'];
/** How many a process makes, by the number of functions. */
const ROTATIONS = { 2_000: 210, 20_000: 50, 50_000: 30 };
const QUICK = { 2_000: 4 };
/** Processes of the size that is judged: the third longest of 210 turns is easily one that V8 or the kernel has had its part in. */
const ROUNDS = 3;
const JUDGED = 2_000;
const GOAL_MS = 1;
const GOAL_RATIO = 10;

export const cells = (context) =>
  interleave(context, { rounds: context.rounds(ROUNDS) }, (_major, contender, round) =>
    Object.entries(context.quick ? QUICK : ROTATIONS)
      .map(([functions, rotations]) => ({ program: 'rotations', settings: { contender, functions: Number(functions), rotations } }))
      .filter(({ settings }) => round === 0 || settings.functions === JUDGED),
  );

/** The 99th percentile of the rotations of all processes together. */
function pooled(judged, major, contender, clock) {
  const these = judged.filter(({ cell }) => cell.major === major && cell.contender === contender);
  const turns = these.flatMap(({ result }) => result.pauses.map(({ longest }) => longest[clock]));
  return { count: turns.length, p99: turns.length === 0 ? undefined : quantile(turns, 0.99) };
}

export function report(results, { majors, quick }) {
  const metrics = [];
  for (const functions of Object.keys(quick ? QUICK : ROTATIONS).map(Number)) {
    const these = results.filter(({ cell }) => cell.settings.functions === functions);
    const named = (what) => `rotation, ${functions.toLocaleString('en')} functions, ${what}`;
    const of = (share, clock) => (result) => quantile(result.pauses.map((pause) => pause.longest[clock]), share);
    const options = { unit: 'ms', toNothing: false };
    metrics.push(
      metric({ ...options, name: named('median') }, these, of(0.5, 'wallMs')),
      metric({ ...options, name: named('99th percentile') }, these, of(0.99, 'wallMs')),
      metric({ ...options, name: named('99th percentile, CPU time') }, these, of(0.99, 'cpuMs')),
      metric({ ...options, name: named('longest') }, these, of(1, 'wallMs')),
    );
  }
  const judged = results.filter(({ cell, result }) => cell.settings.functions === JUDGED && result.pauses !== undefined);
  const contenders = [...new Set(judged.map(({ cell }) => cell.contender))];
  const beyond = (major, contender) => {
    const pauses = judged.filter(({ cell }) => cell.major === major && cell.contender === contender).flatMap(({ result }) => result.pauses);
    const long = pauses.filter(({ longest }) => longest.wallMs > GOAL_MS);
    return `${contender} on ${major} ${long.length} of ${pauses.length}, ${long.filter(({ longest }) => longest.collected).length} of them`;
  };
  return {
    metrics,
    notes: [
      `Rotations of 2,000 functions whose longest turn was above ${GOAL_MS} ms, and in how many of those turns V8 collected garbage: ${majors.flatMap((major) => contenders.map((contender) => beyond(major, contender))).join('; ')}.`,
      'Rotations of the inspector and of Sentry leave a gap: one profile is ended and then another one begun. "nothing" shows what a turn takes that does nothing.',
    ],
    goals: [
      goal(`rotation at 100 Hz and 2,000 functions ≤ ${GOAL_MS} ms, 99th percentile (of CPU time; of an empty turn of the program alone)`, majors, (major) => {
        const { count, p99 } = pooled(judged, major, 'pronghorn', 'wallMs');
        if (p99 === undefined) return { met: undefined, figure: '—' };
        const cpu = pooled(judged, major, 'pronghorn', 'cpuMs').p99.toFixed(2);
        const alone = pooled(judged, major, 'nothing', 'wallMs').p99?.toFixed(2) ?? '—';
        return { met: p99 <= GOAL_MS, figure: `${p99.toFixed(2)} ms of ${count} (${cpu}; ${alone})` };
      }),
      goal(`… at least ${GOAL_RATIO} times below @datadog/pprof`, majors, (major) => {
        const times = pooled(judged, major, 'datadog', 'wallMs').p99 / pooled(judged, major, 'pronghorn', 'wallMs').p99;
        return { met: Number.isNaN(times) ? undefined : times >= GOAL_RATIO, figure: Number.isNaN(times) ? '—' : `${times.toFixed(0)} times` };
      }),
    ],
  };
}
