// Stress: a sample every 100 µs while V8 moves everything about. What counts is the number of walks taken.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explain, judge } from './helpers/badness.mjs';
import { long, majors } from './helpers/nodes.mjs';
import { total } from './helpers/pprof.mjs';
import { BAD_LIMIT, runProgram } from './helpers/truths.mjs';
import { truth } from './stress/stress.mjs';

/** A flag that Node 26 does not have any more. */
const TURBOFAN = 'turbofan at once';

/** An artificial one. */
const DEOPTS = 'deopts';
const WRONG_LINE = /^\S+ calls \S+ on line [\d,]+, not \d+$/;

const kinds = {
  plain: [],
  compaction: ['--stress-compaction'],
  ...(long
    ? {
        [DEOPTS]: ['--deopt-every-n-times=100'],
        'small young space': ['--max-semi-space-size=1'],
        baseline: ['--always-sparkplug'],
        maglev: ['--maglev'],
        'collections all the time': ['--gc-interval=500'],
        [TURBOFAN]: ['--always-turbofan'],
        jitless: ['--jitless'],
        'lazy compilation': ['--max-lazy'],
        'small stack': ['--stack-size=200'],
      }
    : {}),
};

for (const major of majors) {
  describe(`stress on Node ${major}`, { concurrency: 2 }, () => {
    for (const [kind, flags] of Object.entries(kinds)) {
      if (kind === TURBOFAN && major >= 26) continue;
      it(`${kind} (Node ${major})`, async (context) => {
        const ms = long ? 66_000 : 3300;
        const run = await runProgram(truth, major, { flags, ms, hook: { intervalNanos: 100_000 }, deadlineMs: ms * 3 + 30_000 });
        const { stats } = run;
        const verdict = judge(truth, run.profile, stats);
        const summary = `${stats.samples} walks, ${(100 * verdict.profileShare).toFixed(3)}% bad by the profile, ${(100 * verdict.statsShare).toFixed(3)}% by stats(); handler p50 ${stats.handlerP50Nanos} ns, p99 ${stats.handlerP99Nanos} ns, ${stats.faults} faults, ${stats.droppedSamples} dropped`;
        context.diagnostic(summary);
        assert.equal(total(run.profile.samples, 'count'), stats.recorded);
        // Code that V8 gives up all the time is found by its function alone on 20 and 22: many callers then stand on their first line, half of
        // the stacks have one. Functions and their order are judged there as anywhere.
        const bad = kind === DEOPTS && major < 24 ? verdict.bad.filter(({ why }) => !WRONG_LINE.test(why)) : verdict.bad;
        const countOf = (list) => total(list.map(({ sample }) => sample), 'count');
        const badShare = verdict.profileShare - (countOf(verdict.bad) - countOf(bad)) / verdict.taken;
        assert.ok(badShare < BAD_LIMIT, `${summary}\n${explain(bad)}`);
        // On Node 20 loads fault there, some hundred in ten thousand walks, and are survived: not traced to their cause.
        const survived = kind === TURBOFAN ? 0.03 : BAD_LIMIT;
        assert.ok(verdict.statsShare < survived, summary);
        // 60,000 walks in 30 s of CPU time, and as many for each second where there was less of it.
        const { enter, leave } = run.figures;
        const wanted = Math.min(60_000, (2000 * (leave.cpu - enter.cpu)) / 1e9);
        assert.ok(stats.samples >= wanted, `${wanted.toFixed(0)} walks wanted: ${summary}`);
        assert.ok(!long || stats.samples >= 60_000, summary);
      });
    }
  });
}
