// The benches must not rot: the runner from end to end, with small counts, without peers; and its statistics. What the figures are is not for a test to say.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { report as growthReport } from '../bench/measurements/growth.mjs';
import { metric } from '../bench/runner/metric.mjs';
import { writeReport } from '../bench/runner/report.mjs';
import { medianInterval, median, quantile, ratios } from '../bench/runner/statistics.mjs';
import { turnFixturePath } from './helpers/fixture.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { scratch } from './helpers/scratch.mjs';

/** Of each kind of program one that is quick. */
const PARTS = ['size', 'load', 'rotations', 'idle', 'allocation'];

describe('bench', () => {
  it('runs, and writes one table', { timeout: 60_000 }, async () => {
    const output = join(scratch(), 'results.md');
    const args = ['bench/run.mjs', '--quick', '--offline', '--contenders', 'nothing', '--majors', String(majors.at(-1)), '--only', PARTS.join(), '--output', output];
    const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 60_000 });
    const text = readFileSync(output, 'utf8');
    assert.doesNotMatch(text, /failed/, stderr);
    assert.match(text, /^\| rotation at 100 Hz and 2,000 functions .* \| [✓✗] \d+\.\d+ ms of \d+ \(\d+\.\d+; \d+\.\d+\) +\|$/m);
    // The program alone and pronghorn have a figure each, and peers none.
    assert.match(text, /^\| allocation: CPU time, ms +\| \d+ +\| [\d,]+ +\| [\d,]+ +\| — +\| — +\| — +\| [+−]\d/m);
    assert.match(text, /^\| idle server, wake-ups a second +\| \d+ +\| [\d.]+ +\| [\d.]+ +\| — /m);
    assert.ok(!text.includes(root), 'paths of this machine');
  });

  it('says what it does not know', async () => {
    const failed = promisify(execFile)(process.execPath, ['bench/run.mjs', '--only', 'nonsense'], { cwd: root, timeout: 20_000 });
    await assert.rejects(failed, ({ code, stderr }) => code === 2 && stderr.includes('--only: nonsense is none of'));
  });
});

describe('the turns of the event loop', () => {
  for (const major of majors) {
    it(`Node ${major}: a turn is what keeps the thread, without what the loop waits`, { timeout: 30_000 }, async () => {
      await turnFixturePath();
      const { stdout } = await promisify(execFile)(nodePath(major), ['--expose-gc', '__test__/scenarios/turns.mjs'], { cwd: root, timeout: 20_000 });
      const { idle, busy, called, collected } = JSON.parse(stdout);
      assert.ok(idle.longest.wallMs < 200 && !idle.longest.collected, `a loop that has waited for 400 ms: ${JSON.stringify(idle)}`);
      assert.ok(busy.longest.wallMs >= 20 && busy.longest.wallMs < 400, `20 ms in the middle of 400: ${JSON.stringify(busy)}`);
      assert.ok(busy.call.wallMs < 20 && busy.turns >= 2, JSON.stringify(busy));
      assert.ok(called.call.wallMs >= 20 && called.longest.wallMs >= called.call.wallMs, JSON.stringify(called));
      for (const each of [busy, called]) assert.ok(each.longest.cpuMs > 0 && each.longest.cpuMs <= each.longest.wallMs * 1.5, JSON.stringify(each));
      assert.ok(collected.longest.collected && !collected.call.collected, JSON.stringify(collected));
    });
  }
});

describe('statistics of the bench', () => {
  it('has medians, quantiles and paired ratios', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(median([]), undefined);
    assert.equal(quantile(Array.from({ length: 200 }, (_, index) => index + 1), 0.99), 198);
    assert.deepEqual(ratios([2, undefined, 9], [1, 5, 3]), [2, 3]);
  });

  it('gives no interval for a few pairs, and one around the truth for many', () => {
    assert.equal(medianInterval([1, 2, 3, 4]).low, undefined);
    // A difference of 2% under noise of 1%.
    const pairs = Array.from({ length: 60 }, (_, index) => 1.02 + 0.01 * Math.sin(index * 7.3));
    const { low, high } = medianInterval(pairs);
    assert.ok(low > 1.01 && low <= 1.02 && high >= 1.02 && high < 1.03, `${low} to ${high}`);
  });

  it('names what it cannot tell from noise, and what has too few pairs', () => {
    const pairs = (name, count, more) =>
      metric(
        { name, unit: 'ms' },
        Array.from({ length: count }, (_, round) => round).flatMap((round) => [
          { cell: { major: 24, contender: 'nothing', round }, result: { ms: 100 } },
          { cell: { major: 24, contender: 'pronghorn', round }, result: { ms: 100 + more + (round % 2 === 0 ? 1 : -1) } },
        ]),
        ({ ms }) => ms,
      );
    const metrics = [pairs('few', 3, 9), pairs('the same', 8, 0), pairs('more', 8, 9)];
    const text = writeReport({ machine: {}, command: '', majors: [24], missing: [], reports: [{ metrics }], took: '', quick: false });
    assert.match(text, /has nothing at all in it for: the same \(Node 24\)\./);
    assert.match(text, /Too few pairs for an interval: few \(Node 24\)\./);
  });

  it('judges whether costs grow', () => {
    const series = (what, figures) => Object.entries(figures).map(([value, result]) => ({ cell: { major: 24, contender: 'pronghorn', settings: { what, value: Number(value) } }, result }));
    const hour = (contender, dirty, { lost = 0, pause = 0.3 } = {}) => ({
      cell: { major: 24, contender, settings: { what: 'time' } },
      result: { dirty, lost, periods: Array.from({ length: 20 }, () => ({ pause, bytes: 2_000 })) },
    });
    const verdicts = (deep, share, many, dirty) => {
      const results = [
        ...series('depth', Object.fromEntries([10, 30, 100, 300, 1_000].map((value) => [value, { handlerP50: value > 300 ? deep : 2 + value / 50 }]))),
        ...series('threads', Object.fromEntries([1, 4, 16, 64].map((value) => [value, { handlerShare: share, ownShare: 2 * share }]))),
        ...series('functions', { 1_000: { ownPerSample: 30 }, 10_000: { ownPerSample: 31 }, 100_000: { ownPerSample: many } }),
        hour('nothing', [50, 100]),
        hour('pronghorn', dirty),
      ];
      return growthReport(results, { majors: [24] }).goals.map((each) => each.verdicts[0].met);
    };
    assert.deepEqual(verdicts(22, 0.004, 40, [60, 112]), [true, true, true, true]);
    assert.deepEqual(verdicts(60, 0.006, 60, [60, 120]), [false, false, false, false]);
    for (const [worse, met] of [[{}, true], [{ lost: 1 }, false], [{ pause: 1.1 }, false]]) {
      const { goals } = growthReport([hour('nothing', [50, 100]), hour('pronghorn', [60, 112], worse)], { majors: [24] });
      assert.equal(goals.at(-1).verdicts[0].met, met, JSON.stringify(worse));
    }
    assert.deepEqual(growthReport([], { majors: [24] }).goals.map((each) => each.verdicts[0].met), [undefined, undefined, undefined, undefined]);
  });

  it('compares with the best peer, and shows a failure as one', () => {
    const cell = (contender) => ({ major: 24, contender, round: 0 });
    const results = [
      { cell: cell('pronghorn'), result: { ms: 2 } },
      { cell: cell('datadog'), result: { ms: 20 } },
      { cell: cell('inspector'), result: { ms: 8 } },
      { cell: cell('sentry'), result: { failure: 'no build' } },
    ];
    const lower = metric({ name: 'pause', unit: 'ms' }, results, ({ ms }) => ms);
    assert.deepEqual(lower.toBestPeer(24), { ratio: 0.25, name: 'inspector' });
    assert.equal(lower.failureOf(24, 'sentry'), 'no build');
    const higher = metric({ name: 'throughput', unit: '', higherIsBetter: true }, results, ({ ms }) => ms);
    assert.deepEqual(higher.toBestPeer(24), { ratio: 0.1, name: 'datadog' });
  });
});
