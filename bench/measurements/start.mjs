// How long the first start() of a process keeps the main thread, and later ones, in programs of 2,000, 20,000 and 50,000 functions.
import { median } from '../runner/statistics.mjs';
import { goal, metric } from '../runner/metric.mjs';
import { interleave } from './interleave.mjs';

export const names = ['functions'];
const SIZES = [2_000, 20_000, 50_000];
const QUICK_SIZES = [50_000];
const GOAL_MS = 2;
const GOAL_RATIO = 30;

export const cells = (context) =>
  interleave(context, { rounds: context.rounds(3) }, (_major, contender) =>
    contender === 'nothing' ? [] : (context.quick ? QUICK_SIZES : SIZES).map((functions) => ({ program: 'start', settings: { contender, functions } })),
  );

export function report(results, { majors, quick }) {
  const sizes = quick ? QUICK_SIZES : SIZES;
  const of = (functions) => results.filter(({ cell }) => cell.settings.functions === functions);
  const named = (functions, what) => `${what}, ${functions.toLocaleString('en')} functions`;
  const options = { unit: 'ms', toNothing: false };
  const first = new Map(sizes.map((size) => [size, metric({ ...options, name: named(size, 'first start()') }, of(size), (result) => result.first.wallMs)]));
  const cpu = metric({ ...options, name: `${named(50_000, 'first start()')}, CPU time` }, of(50_000), (result) => result.first.cpuMs);
  const again = sizes.map((size) => metric({ ...options, name: named(size, 'later start()') }, of(size), (result) => median(result.again.map(({ wallMs }) => wallMs))));
  // A profiler that begins to listen to the compiler when it is loaded, as Sentry's, pays there.
  const loaded = metric({ ...options, name: named(50_000, 'loading and first start()') }, of(50_000), (result) => result.loadMs + result.first.wallMs);
  const most = first.get(50_000);
  return {
    metrics: [...first.values(), cpu, ...again, loaded],
    goals: [
      goal(`start() ≤ ${GOAL_MS} ms at 50,000 functions`, majors, (major) => {
        const ours = median(most.of(major, 'pronghorn'));
        return { met: ours === undefined ? undefined : ours <= GOAL_MS, figure: ours === undefined ? '—' : `${ours.toFixed(2)} ms` };
      }),
      goal(`start() at 50,000 functions at least ${GOAL_RATIO} times below @datadog/pprof`, majors, (major) => {
        const times = median(most.of(major, 'datadog')) / median(most.of(major, 'pronghorn'));
        return { met: Number.isNaN(times) ? undefined : times >= GOAL_RATIO, figure: Number.isNaN(times) ? '—' : `${times.toFixed(0)} times` };
      }),
    ],
  };
}
