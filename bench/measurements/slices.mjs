// The longest that anything of ours keeps the main thread without a break: pronghorn alone, by its own clocks, with the first samples in a script of 10 MB, whose
// lines have to be counted, also where a rotation, the stop or a full collection comes at once, and with the first samples of a program of 50,000 functions.
import { goal, metric } from '../runner/metric.mjs';

export const names = ['functions'];
const GOAL_MS = 1;

const CASES = {
  'a script of 10 MB': { program: 'growth', settings: { what: 'lines', wide: false, ms: 400, end: 'rotation' } },
  'a script of 10 MB in two-byte characters': { program: 'growth', settings: { what: 'lines', wide: true, ms: 400, end: 'rotation' } },
  'the same, a rotation at once': { program: 'growth', settings: { what: 'lines', wide: true, ms: 5, end: 'rotation' } },
  'the same, the stop at once': { program: 'growth', settings: { what: 'lines', wide: true, ms: 5, end: 'stop' } },
  'the same, a full collection at once': { program: 'growth', settings: { what: 'lines', wide: true, ms: 5, end: 'collection' } },
  '50,000 functions at 1 kHz': { program: 'rotations', settings: { contender: 'pronghorn', functions: 50_000, rotations: 20, busyMs: 50, intervalMicros: 1_000, warmMs: 0 } },
};

export function cells(context) {
  const list = [];
  for (const major of context.majors) {
    for (let round = 0; round < context.rounds(3); round++) {
      for (const [title, each] of Object.entries(CASES)) list.push({ major, contender: 'pronghorn', round, title, ...each });
    }
  }
  return list;
}

/** Calls of rotate() in which nothing but ours was done: V8 may collect the program's garbage at any allocation. */
const ours = (pauses) => pauses.filter(({ call }) => !call.collected);

/** Of the turns of a rotation or stop the longest, or, if V8 collected in that, the call alone. */
const alone = ({ pause }) => (pause === undefined ? [] : [pause.longest, pause.call].filter(({ collected }) => !collected).slice(0, 1));

/**
 * The longest of what stats() tells, by CPU clocks, and of what the event loop saw by `clock`. Of many rotations in a row only the calls, and what our own clocks say of
 * them: V8 works in their turns too.
 */
const longest = (clock) => (result) => {
  if (result.slices === undefined) return Math.max(result.resolveMax, result.handlerMax, ...alone(result).map((part) => part[clock]));
  const { resolve, handler, rotation } = result.slices;
  return Math.max(resolve, handler, clock === 'wallMs' ? rotation : 0, ...ours(result.pauses).map((pause) => pause.call[clock]));
};

export function report(results, { majors }) {
  const metrics = Object.keys(CASES).map((title) =>
    metric({ name: `longest slice of pronghorn's, ${title}`, unit: 'ms', toNothing: false }, results.filter(({ cell }) => cell.title === title), longest('wallMs')),
  );
  const byCpu = Object.keys(CASES).map((title) =>
    metric({ name: `… ${title}, CPU time`, unit: 'ms', toNothing: false }, results.filter(({ cell }) => cell.title === title), longest('cpuMs')),
  );
  const pauses = results.flatMap(({ result }) => result?.pauses ?? []);
  const leftOut = pauses.length - ours(pauses).length;
  const single = results.map(({ result }) => result?.pause).filter((pause) => pause !== undefined);
  const collected = single.filter(({ longest: turn }) => turn.collected).length;
  return {
    notes: [
      ...(leftOut === 0 ? [] : [`Slices: ${leftOut} of ${pauses.length} calls of rotate() are left out, since V8 collected garbage in them.`]),
      ...(collected === 0 ? [] : [`Slices: in ${collected} of ${single.length} longest turns of a rotation or stop V8 collected garbage; of those the call alone counts.`]),
    ],
    metrics: metrics.flatMap((each, index) => [each, byCpu[index]]),
    goals: [
      goal(`no slice on the main thread above ${GOAL_MS} ms, by its CPU clock (by the wall clock)`, majors, (major) => {
        const [cpu, wall] = [byCpu, metrics].map((list) => Math.max(...list.flatMap((each) => each.of(major, 'pronghorn'))));
        if (!Number.isFinite(cpu)) return { met: undefined, figure: '—' };
        return { met: cpu <= GOAL_MS, figure: `${cpu.toFixed(2)} ms (${wall.toFixed(2)})` };
      }),
    ],
  };
}
