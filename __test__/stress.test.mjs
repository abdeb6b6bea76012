// Stress: a sample every 100 µs while V8 moves everything about. What counts is the number of walks taken.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { BRIEF, isIn, KINDS, stress } from './stress/kinds.mjs';

for (const major of majors) {
  describe(`stress on Node ${major}`, { concurrency: 2 }, () => {
    for (const kind of Object.keys(KINDS)) {
      if (!isIn(kind, major) || !(long || BRIEF.includes(kind))) continue;
      it(`${kind} (Node ${major})`, async (context) => {
        const ms = long ? 66_000 : 3300;
        const { stats, cpuSeconds, complaints, summary } = await stress(kind, major, { ms, intervalNanos: 100_000, deadlineMs: ms * 3 + 30_000 });
        context.diagnostic(summary);
        assert.deepEqual(complaints, [], summary);
        // 60,000 walks in 30 s of CPU time, and as many for each second where there was less of it.
        const wanted = Math.min(60_000, 2000 * cpuSeconds);
        assert.ok(stats.samples >= wanted, `${wanted.toFixed(0)} walks wanted: ${summary}`);
        assert.ok(!long || stats.samples >= 60_000, summary);
      });
    }
  });
}
