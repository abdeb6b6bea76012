// The readers of pprof of `top`, `merge` and `flame`, over profiles that are damaged from fixed seeds: the short form of `npm run fuzz`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { long } from '../helpers/nodes.mjs';
import { fuzz, MOST_BYTES } from './fuzz.mjs';
import { soundProfiles } from './profiles.mjs';
import { readInEveryWay } from './readers.mjs';

test('sound profiles are taken', async () => {
  const sound = soundProfiles();
  for (const profile of sound) assert.equal(await readInEveryWay(profile, sound[0]), 2);
});

test('damaged profiles are read, or refused with what is wrong', { timeout: 600_000 }, async (context) => {
  const sum = await fuzz({ seed: 1, inputs: long ? 20_000 : 800 });
  context.diagnostic(JSON.stringify(sum));
  assert.ok(sum.taken > sum.tried / 10, 'many are damaged so little that they are read to their end');
  assert.ok(sum.refused > sum.tried / 10, 'and many are not');
  assert.ok(sum.peakBytes < MOST_BYTES, `${sum.peakBytes} bytes were in use`);
});

test('a reader that throws anything else is found, with the seed that repeats it', async () => {
  const read = (bytes) => {
    if (bytes.includes(0xff)) return bytes.no.such;
    return 1;
  };
  await assert.rejects(fuzz({ seed: 7, inputs: 200, read }), /^Error: seed \d+ \(.*\.pb\): TypeError/);
});
