// A short soak: many rotations, workers, children and new functions; nothing is held at the end that was not held before. `npm run soak` is the long one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { long, majors } from '../helpers/nodes.mjs';
import { soak } from './soak.mjs';
import { BOUNDS, judge } from './verdict.mjs';

const short = { ms: long ? 120_000 : 12_000, roundMs: 150 };

/** The oldest and the newest; the others have theirs in the long run. */
const tested = long ? majors : majors.filter((_, index) => index === 0 || index === majors.length - 1);

for (const major of tested) {
  describe(`a soak on Node ${major}`, () => {
    it(`holds no more at its end than when it was warm (Node ${major})`, async (context) => {
      const { before, grown, leaked, rounds, uploads, end } = await soak(major, short);
      context.diagnostic(`${rounds} rounds, ${uploads} uploads, ${end.samples} samples; warm ${JSON.stringify(before)}, grown ${JSON.stringify(grown)}`);
      assert.deepEqual(leaked, [], JSON.stringify({ before, grown }));
      assert.ok(rounds >= 40, `${rounds} rounds`);
      assert.ok(uploads >= 5 && end.samples > 100, JSON.stringify({ uploads, end }));
    });
  });
}

it('a program that leaks is found, in each of the ways', async () => {
  const { leaked, grown, rounds } = await soak(majors.at(-1), { ...short, leak: ['memory', 'descriptors', 'threads', 'mappings'] });
  assert.deepEqual(leaked, Object.keys(BOUNDS), `${rounds} rounds: ${JSON.stringify(grown)}`);
});

it('the verdict sees growth, and no growth', () => {
  const round = (n) => ({ heapKb: 9000, nativeKb: 30_000 + n, descriptors: 20, threads: 11, mappings: 300 });
  assert.deepEqual(judge(Array.from({ length: 60 }, () => round(0))).leaked, []);
  assert.deepEqual(judge(Array.from({ length: 60 }, (_, index) => round(index * 1024))).leaked, ['nativeKb']);
});
