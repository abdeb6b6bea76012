// What a contender adds to the memory that a process has for itself (Private_Dirty), right after its start and after ten rotations: how much more the process has
// then than before the package was loaded, less what it has more by itself, without a profiler, after the same work.
import { median } from '../runner/statistics.mjs';
import { goal, metric } from '../runner/metric.mjs';
import { interleave } from './interleave.mjs';

export const names = ['functions'];
const SIZES = [2_000, 50_000];
const QUICK_SIZES = [2_000];
// What V8's own threads have in their allocators when they happen to be at work made 10 to 100 MB of difference between two runs without any profiler.
const FLAGS = ['--expose-gc', '--single-threaded-gc', '--no-concurrent-recompilation'];
const GOAL_MIB = 4;
const MIB_KIB = 1_024;

export const cells = (context) =>
  interleave(context, { rounds: context.rounds(3), peerRounds: 1 }, (_major, contender) =>
    (context.quick ? QUICK_SIZES : SIZES).map((functions) => ({ program: 'memory', settings: { contender, functions, rounds: context.quick ? 50 : 800 }, flags: FLAGS })),
  );

/** Differences to the program alone, round by round. */
function added(results, functions, key) {
  const these = results.filter(({ cell }) => cell.settings.functions === functions);
  const bases = new Map(
    these.filter(({ cell, result }) => cell.contender === 'nothing' && result.failure === undefined).map(({ cell, result }) => [`${cell.major} ${cell.round}`, result[key]]),
  );
  const others = these.filter(({ cell }) => cell.contender !== 'nothing');
  const moment = key === 'afterStart' ? 'after start()' : 'after 10 rotations';
  const description = { name: `memory added ${moment}, ${functions.toLocaleString('en')} functions`, unit: 'MiB', toNothing: false };
  return metric(description, others, (result, cell) => {
    const base = bases.get(`${cell.major} ${cell.round}`);
    return base === undefined ? undefined : (result[key] - base) / MIB_KIB;
  });
}

export function report(results, { majors, quick }) {
  const sizes = quick ? QUICK_SIZES : SIZES;
  const metrics = sizes.flatMap((functions) => ['afterStart', 'afterRotations'].map((key) => added(results, functions, key)));
  const judged = sizes.map((functions) => added(results, functions, 'afterRotations'));
  return {
    metrics,
    goals: [
      goal(`memory added ≤ ${GOAL_MIB} MB after 10 rotations`, majors, (major) => {
        const all = judged.map((each) => median(each.of(major, 'pronghorn'))).filter((each) => each !== undefined);
        return { met: all.length === 0 ? undefined : Math.max(...all) <= GOAL_MIB, figure: all.map((each) => `${each.toFixed(1)}`).join(' and ') + ' MiB' };
      }),
    ],
  };
}
