// Every program with a known answer, on every Node major, with V8's own choice of compilers.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { majors } from './helpers/nodes.mjs';
import { programs } from './helpers/programs.mjs';
import { BAD_LIMIT, checkTruth } from './helpers/truths.mjs';

for (const major of majors) {
  describe(`truths on Node ${major}`, { concurrency: 2 }, () => {
    const totals = { taken: 0, bad: 0 };
    for (const [name, truth] of programs) {
      it(`${name} (Node ${major})`, async (context) => {
        const { verdict } = await checkTruth(truth, major);
        totals.taken += verdict.taken;
        totals.bad += verdict.profileShare * verdict.taken;
        context.diagnostic(`${verdict.taken} samples, ${(100 * verdict.profileShare).toFixed(3)}% bad`);
      });
    }
    after(() => {
      assert.ok(totals.bad < BAD_LIMIT * Math.max(1, totals.taken), `${totals.bad} of ${totals.taken} samples are bad on Node ${major}`);
    });
  });
}
