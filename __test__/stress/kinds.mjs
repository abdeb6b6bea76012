// The ways in which V8 is made to move everything about, and what is asked of a run of ./stress.mjs in each of them.
import { explain, judge } from '../helpers/badness.mjs';
import { total } from '../helpers/pprof.mjs';
import { BAD_LIMIT, runProgram } from '../helpers/truths.mjs';
import { truth } from './stress.mjs';

/** A flag that Node 26 does not have any more. */
const TURBOFAN = 'turbofan at once';

/** An artificial one. */
const DEOPTS = 'deopts';

/** V8's flags, by the name of the way. The first two are in every run of the tests, all of them in the long one and in the tally. */
export const KINDS = {
  plain: [],
  compaction: ['--stress-compaction'],
  [DEOPTS]: ['--deopt-every-n-times=100'],
  'small young space': ['--max-semi-space-size=1'],
  baseline: ['--always-sparkplug'],
  maglev: ['--maglev'],
  'collections all the time': ['--gc-interval=500'],
  [TURBOFAN]: ['--always-turbofan'],
  jitless: ['--jitless'],
  'lazy compilation': ['--max-lazy'],
  'small stack': ['--stack-size=200'],
};
export const BRIEF = ['plain', 'compaction'];

/**
 * Whether V8 was at work on the frames that take a deoptimized one's place. It has popped the old frame off the stack by then (Generate_DeoptimizationEntry),
 * with the only word that led on to the caller's, so the walk ends there, and says so.
 */
const isReplacingFrames = ({ stack }) => stack[0]?.name === '(broken)' && /^v8::internal::Deoptimizer::(Do)?ComputeOutputFrames$/.test(stack[1]?.name ?? '');

/** Whether this major has what the kind needs. */
export const isIn = (kind, major) => kind !== TURBOFAN || major < 26;

/**
 * Runs the program for `ms` in one of these ways, with a sample each `intervalNanos` of CPU time.
 *
 * @returns {Promise<{ stats: object, cpuSeconds: number, badShare: number, complaints: string[], summary: string }>} what was wrong is in `complaints`; rejects
 *   if the program did not end well
 */
export async function stress(kind, major, { ms, intervalNanos, deadlineMs }) {
  const run = await runProgram(truth, major, { flags: KINDS[kind], ms, hook: { intervalNanos }, deadlineMs });
  const { stats, profile } = run;
  const verdict = judge(truth, profile, stats);
  const bad = kind === DEOPTS ? verdict.bad.filter(({ sample }) => !isReplacingFrames(sample)) : verdict.bad;
  const countOf = (list) => total(list.map(({ sample }) => sample), 'count');
  const excused = countOf(verdict.bad) - countOf(bad);
  const badShare = verdict.profileShare - excused / verdict.taken;
  const statsShare = verdict.statsShare - excused / stats.samples;
  const { enter, leave } = run.figures;
  const share = (value) => `${(100 * value).toFixed(3)}%`;
  const lost = stats.droppedSamples + stats.droppedByRecorder;
  const summary =
    `${stats.samples} walks, ${share(badShare)} bad by the profile, ${share(statsShare)} by stats()${excused > 0 ? ` beside ${excused} while V8 replaced a frame` : ''}; ` +
    `handler p50 ${stats.handlerP50Nanos} ns, p99 ${stats.handlerP99Nanos} ns, ${stats.faults} faults, ${lost} dropped`;
  const complaints = [];
  const counted = total(profile.samples, 'count');
  if (counted !== stats.recorded) complaints.push(`${counted} samples in the profile, ${stats.recorded} recorded`);
  if (!(badShare < BAD_LIMIT)) complaints.push(`too many are bad by the profile\n${explain(bad)}`);
  // On Node 20 loads fault there, some hundred in ten thousand walks, and are survived: not traced to their cause.
  if (!(statsShare < (kind === TURBOFAN ? 0.03 : BAD_LIMIT))) complaints.push('too many are bad by stats()');
  return { stats, cpuSeconds: (leave.cpu - enter.cpu) / 1e9, badShare, complaints, summary };
}
