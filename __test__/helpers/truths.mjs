// Runs a program with a known answer on one Node major, and checks the rules that hold for all of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, judge } from './badness.mjs';
import { runOk } from './child.mjs';
import { fixturePath } from './fixture.mjs';
import { nodePath } from './nodes.mjs';
import * as pprof from './pprof.mjs';
import { scratch } from './scratch.mjs';
import { tally } from './tally.mjs';

/** The most bad samples a program may have. */
export const BAD_LIMIT = 0.005;

/**
 * Runs a program and reads what it wrote.
 *
 * Output: `{ profile, stats, capabilities, figures, extra, flags, options }`.
 */
export async function runProgram(truth, major, { flags = [], options = {}, hook, ms = truth.ms, deadlineMs = 30_000 } = {}) {
  const out = scratch();
  const allFlags = [...truth.flags, ...flags];
  const merged = { intervalMicros: 1000, ...truth.options, ...options };
  const settings = { out, options: merged, hook, ms, fixture: await fixturePath() };
  await runOk(nodePath(major), [...allFlags, truth.file, JSON.stringify(settings)], { deadlineMs });
  const result = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
  tally(result);
  return { ...result, profile: pprof.readProfile(join(out, 'profile.pb.gz')), flags: allFlags, options: merged };
}

/** What holds for every program: badness, agreement of profile and statistics, and all of the thread's time accounted for. */
export function checkGeneral(truth, run) {
  const { profile, stats } = run;
  const verdict = judge(truth, profile, stats);
  const inside = pprof.total(verdict.inside, 'count');
  assert.ok(inside >= 25, `only ${inside} samples while the program worked:\n${pprof.describe(profile.samples)}`);
  assert.ok(verdict.profileShare < BAD_LIMIT, `${percent(verdict.profileShare)} bad samples of ${verdict.taken}:\n${explain(verdict.bad)}`);
  assert.ok(verdict.statsShare < BAD_LIMIT, `${percent(verdict.statsShare)} bad by stats(): ${JSON.stringify(stats)}`);
  // Wrong lines only the profile shows; what the profiler itself gave up on must agree to the sample.
  const marked = (name) => pprof.total(profile.samples.filter(pprof.has(name)), 'count');
  assert.equal(marked('(broken)'), stats.brokenWalks, 'broken walks in the profile and in stats()');
  assert.equal(marked('(walk refused)'), stats.refusedWalks, 'refused walks in the profile and in stats()');
  assert.equal(verdict.taken, stats.recorded, 'the profile holds what the recorder counted');
  // A sample whose JavaScript is hidden would sit outside the program: its CPU time then misses here.
  const { enter, leave } = run.figures;
  if (enter?.cpu !== undefined && leave !== undefined) {
    const measured = leave.cpu - enter.cpu;
    const seen = pprof.total(verdict.inside, 'cpu');
    assert.ok(
      seen > 0.97 * measured - 20e6,
      `${seen / 1e6} ms of the program's ${measured / 1e6} ms of CPU time are on its stacks:\n${pprof.describe(verdict.outside)}`,
    );
  }
  return verdict;
}

/** The innermost JavaScript function's share of the samples, and the share of its samples on its hot lines. */
export function checkLeaf(truth, verdict, { optimized, brief = false }) {
  if (truth.leaf === undefined) return;
  const { name, share, unoptimized = Math.min(0.6, share), hot } = truth.leaf;
  // A brief run may spend much of its time on its way to the optimizing compiler.
  const wanted = optimized && !brief ? share : unoptimized;
  const leafOf = (sample) => pprof.scriptFrames(sample.stack).at(-1);
  // Wall time also counts while the machine runs something else.
  for (const value of ['count', 'cpu']) {
    const part = pprof.share(verdict.inside, value, (sample) => leafOf(sample)?.name === name);
    assert.ok(
      part >= wanted,
      `${name} is the leaf of ${percent(part)} of ${value}, not ${percent(wanted)}:\n${pprof.describe(verdict.inside)}`,
    );
  }
  const lines = truth.markers.hot.get(name);
  // Optimized code keeps positions for calls and little else: there a leaf's line is only known to lie in its function,
  // unless the hot line is a call.
  const least = hot ?? (optimized ? 0 : 0.5);
  if (lines === undefined || least === 0) return;
  const own = verdict.inside.filter((sample) => leafOf(sample)?.name === name);
  const onHot = pprof.share(own, 'count', (sample) => lines.includes(leafOf(sample).line));
  assert.ok(onHot >= least, `only ${percent(onHot)} of ${name} on its hot lines ${lines}:\n${pprof.describe(own)}`);
}

/**
 * Runs a program and checks all that is known of it. Returns the run, with its `verdict`.
 *
 * The checks are statistics of a few hundred samples, and a busy machine can keep the ticker from running for tens of
 * milliseconds: a run that fails is repeated once. What is wrong with the profiler is wrong both times.
 */
export async function checkTruth(truth, major, settings = {}) {
  try {
    return await checkOnce(truth, major, settings);
  } catch (first) {
    if (first.code !== 'ERR_ASSERTION') throw first;
    console.log(`${truth.file} (Node ${major}) is repeated: ${first.message.split('\n', 2).join(' ')}`);
    return checkOnce(truth, major, settings);
  }
}

async function checkOnce(truth, major, settings) {
  const run = await runProgram(truth, major, settings);
  const verdict = checkGeneral(truth, run);
  const optimized = !(settings.flags ?? []).some((flag) => ['--no-opt', '--always-sparkplug', '--jitless'].includes(flag));
  checkLeaf(truth, verdict, { optimized, brief: settings.brief });
  truth.check?.(run.profile, run, assert, pprof);
  return { ...run, verdict };
}

const percent = (value) => `${(100 * value).toFixed(2)}%`;
