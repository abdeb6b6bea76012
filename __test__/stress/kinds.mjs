// The ways in which V8 is made to move everything about, and what is asked of a run of ./stress.mjs in each of them.
import { explain, judge } from '../helpers/badness.mjs';
import { total } from '../helpers/pprof.mjs';
import { BAD_LIMIT, runProgram } from '../helpers/truths.mjs';
import { truth } from './stress.mjs';

/** A flag that Node 26 does not have any more. */
const TURBOFAN = 'turbofan at once';

/** An artificial one. */
const DEOPTS = 'deopts';
const WRONG_LINE = /^\S+ calls \S+ on line [\d,]+, not \d+$/;

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
  // Code that V8 gives up all the time is found by its function alone on 20 and 22: many callers then stand on their first line, half of
  // the stacks have one. Functions and their order are judged there as anywhere.
  const bad = kind === DEOPTS && major < 24 ? verdict.bad.filter(({ why }) => !WRONG_LINE.test(why)) : verdict.bad;
  const countOf = (list) => total(list.map(({ sample }) => sample), 'count');
  const badShare = verdict.profileShare - (countOf(verdict.bad) - countOf(bad)) / verdict.taken;
  const { enter, leave } = run.figures;
  const share = (value) => `${(100 * value).toFixed(3)}%`;
  const lost = stats.droppedSamples + stats.droppedByRecorder;
  const summary =
    `${stats.samples} walks, ${share(badShare)} bad by the profile, ${share(verdict.statsShare)} by stats(); ` +
    `handler p50 ${stats.handlerP50Nanos} ns, p99 ${stats.handlerP99Nanos} ns, ${stats.faults} faults, ${lost} dropped`;
  const complaints = [];
  const counted = total(profile.samples, 'count');
  if (counted !== stats.recorded) complaints.push(`${counted} samples in the profile, ${stats.recorded} recorded`);
  if (!(badShare < BAD_LIMIT)) complaints.push(`too many are bad by the profile\n${explain(bad)}`);
  // On Node 20 loads fault there, some hundred in ten thousand walks, and are survived: not traced to their cause.
  if (!(verdict.statsShare < (kind === TURBOFAN ? 0.03 : BAD_LIMIT))) complaints.push('too many are bad by stats()');
  return { stats, cpuSeconds: (leave.cpu - enter.cpu) / 1e9, badShare, complaints, summary };
}
