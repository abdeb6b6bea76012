// How long a rotation keeps the main thread: the longest turn of the event loop from the call to the profile's bytes, at 100 Hz.
import { quantile } from '../runner/statistics.mjs';
import { goal, metric } from '../runner/metric.mjs';
import { interleave } from './interleave.mjs';

export const names = ['functions'];
/** How many, by the number of functions. */
const ROTATIONS = { 2_000: 210, 20_000: 50, 50_000: 30 };
const QUICK = { 2_000: 4 };
const GOAL_MS = 1;
const GOAL_RATIO = 10;

export const cells = (context) =>
  interleave(context, { rounds: 1 }, (_major, contender) =>
    Object.entries(context.quick ? QUICK : ROTATIONS).map(([functions, rotations]) => ({
      program: 'rotations',
      settings: { contender, functions: Number(functions), rotations },
    })),
  );

export function report(results, { majors, quick }) {
  const metrics = [];
  const p99 = new Map();
  const p99Cpu = new Map();
  for (const functions of Object.keys(quick ? QUICK : ROTATIONS).map(Number)) {
    const these = results.filter(({ cell }) => cell.settings.functions === functions);
    const named = (what) => `rotation, ${functions.toLocaleString('en')} functions, ${what}`;
    const of = (share, clock) => (result) => quantile(result.pauses.map((pause) => pause.longest[clock]), share);
    const options = { unit: 'ms', toNothing: false };
    p99.set(functions, metric({ ...options, name: named('99th percentile') }, these, of(0.99, 'wallMs')));
    p99Cpu.set(functions, metric({ ...options, name: named('99th percentile, CPU time') }, these, of(0.99, 'cpuMs')));
    metrics.push(
      metric({ ...options, name: named('median') }, these, of(0.5, 'wallMs')),
      p99.get(functions),
      p99Cpu.get(functions),
      metric({ ...options, name: named('longest') }, these, of(1, 'wallMs')),
    );
  }
  const judged = results.filter(({ cell, result }) => cell.settings.functions === 2_000 && result.pauses !== undefined);
  const beyond = ({ cell, result }) => {
    const long = result.pauses.filter(({ longest }) => longest.wallMs > GOAL_MS);
    return `${cell.contender} on ${cell.major} ${long.length}, ${long.filter(({ longest }) => longest.collected).length} of them`;
  };
  const least = p99.get(2_000);
  const count = (quick ? QUICK : ROTATIONS)[2_000];
  return {
    metrics,
    notes: [
      `Rotations of 2,000 functions whose longest turn was above ${GOAL_MS} ms, and in how many of those turns V8 collected garbage: ${judged.map(beyond).join('; ')}.`,
      'Rotations of the inspector and of Sentry leave a gap: one profile is ended and then another one begun. "nothing" shows what a turn takes that does nothing.',
    ],
    goals: [
      goal(`rotation at 100 Hz and 2,000 functions ≤ ${GOAL_MS} ms, 99th percentile of ${count} (of CPU time)`, majors, (major) => {
        const [ours] = least.of(major, 'pronghorn');
        if (ours === undefined) return { met: undefined, figure: '—' };
        const [cpu] = p99Cpu.get(2_000).of(major, 'pronghorn');
        return { met: ours <= GOAL_MS, figure: `${ours.toFixed(2)} ms (${cpu.toFixed(2)})` };
      }),
      goal(`… at least ${GOAL_RATIO} times below @datadog/pprof`, majors, (major) => {
        const times = least.of(major, 'datadog')[0] / least.of(major, 'pronghorn')[0];
        return { met: Number.isNaN(times) ? undefined : times >= GOAL_RATIO, figure: Number.isNaN(times) ? '—' : `${times.toFixed(0)} times` };
      }),
    ],
  };
}
