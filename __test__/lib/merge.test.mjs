import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { mergeProfiles } from '../../build/lib/pprof/merge.js';
import { readProfile } from '../../build/lib/pprof/reader.js';
import { readProfile as readByPprofFormat } from '../helpers/pprof.mjs';
import { buildProfile } from './build-profile.mjs';

const ms = 1_000_000;
const period = { periodType: ['cpu', 'nanoseconds'], period: 10 * ms };
const parts = (...profiles) => profiles.map((profile, index) => ({ name: `part ${index}`, data: profile }));
const merge = async (...profiles) => readByPprofFormat(await mergeProfiles(parts(...profiles)));

/** Samples as "leaf < root {labels}": [samples, cpu, wall]. */
function contents(profile) {
  const rows = profile.samples.map(({ stack, count, cpu, wall, labels }) => {
    const names = stack.map((frame) => frame.name || `0x${frame.address.toString(16)}@${frame.mapping.file}`).reverse();
    const shown = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return [`${names.join(' < ')} {${shown.join()}}`, [count, cpu, wall]];
  });
  const result = Object.fromEntries(rows);
  assert.equal(Object.keys(result).length, rows.length, 'equal samples are one');
  return result;
}

test('equal samples become one with the sums of their values; what differs in a label, a line or a name stays apart', async () => {
  const a = buildProfile({
    ...period,
    stacks: [
      { stack: ['leaf /a.js:3', 'main /a.js:1'], values: [1, 2, 3], labels: { 'process id': 7, 'thread name': 'main' } },
      { stack: ['leaf /a.js:3', 'main /a.js:1'], values: [1, 10, 10], labels: { 'process id': 8, 'thread name': 'main' } },
      { stack: ['only /a.js:9'], values: [1, 1, 1] },
    ],
  });
  const b = buildProfile({
    ...period,
    stacks: [
      { stack: ['other /b.js:3'], values: [5, 6, 7] },
      // The same labels in another order.
      { stack: ['leaf /a.js:3', 'main /a.js:1'], values: [10, 20, 30], labels: { 'thread name': 'main', 'process id': 7 } },
      { stack: ['leaf /a.js:4', 'main /a.js:1'], values: [1, 1, 1], labels: { 'process id': 7, 'thread name': 'main' } },
    ],
  });
  const merged = await merge(a, b);
  assert.equal(merged.samples.length, 5);
  const rows = contents({ samples: merged.samples.filter((sample) => sample.stack.at(-1).startLine !== 4) });
  assert.deepEqual(rows, {
    'leaf < main {process id=7,thread name=main}': [11, 22, 33],
    'leaf < main {process id=8,thread name=main}': [1, 10, 10],
    'only {}': [1, 1, 1],
    'other {}': [5, 6, 7],
  });
});

test('what the profiles have in common stands in the merged one once', async () => {
  const stacks = [{ stack: [['inner /a.js:7', 'outer /a.js:2'], '0x10@/lib/libz.so', 'main /a.js:1'], values: [1, 2, 3] }];
  const one = buildProfile({ ...period, stacks, base: 0x10000n });
  const merged = await merge(one, one, one);
  const { raw } = merged;
  assert.deepEqual([raw.sample.length, raw.location.length, raw.function.length, raw.mapping.length], [1, 3, 3, 1]);
  assert.equal(new Set(raw.stringTable.strings).size, raw.stringTable.strings.length);
  assert.deepEqual(contents(merged), { 'inner < outer < 0x10010@/lib/libz.so < main {}': [3, 6, 9] });
});

test('a library that lies elsewhere in another process is the same library', async () => {
  const at = (base) => buildProfile({ ...period, base, stacks: [{ stack: ['0x10@/lib/libz.so'], values: [1, 1, 1] }] });
  const merged = await merge(at(0x7f00_0000_0000n), at(0x7f55_5555_0000n));
  assert.equal(merged.mappings.length, 1);
  assert.deepEqual(contents(merged), { '0x7f0000000010@/lib/libz.so {}': [2, 2, 2] });
});

test('sums beyond 2^53 are exact, negative values too', async () => {
  const of = (...values) => buildProfile({ ...period, stacks: [{ stack: ['f /a.js:1'], values }] });
  const big = 2n ** 53n - 1n;
  const bytes = await mergeProfiles(parts(of(big, -5, 1), of(1, -7, 2), of(2, 0, -3), of(2n ** 60n, 0, 0)));
  const { raw } = readByPprofFormat(bytes);
  assert.deepEqual(raw.sample[0].value.map((value) => BigInt.asIntN(64, BigInt(value))), [2n ** 60n + big + 3n, -12n, 0n]);
});

test('a sum of more than 64 bits is refused, not wrapped', async () => {
  const of = (value) => buildProfile({ ...period, stacks: [{ stack: ['f /a.js:1'], values: [value, 0, 0] }] });
  await assert.rejects(mergeProfiles(parts(of(2n ** 62n), of(2n ** 62n))), { code: 'ERR_PRONGHORN_INVALID_PROFILE', message: /part 1 .*more than 64 bits/ });
});

test('the time is the span from the earliest start to the last end; comments are kept once; the largest period counts', async () => {
  const of = (timeNanos, durationNanos, comment, length = 10 * ms) =>
    buildProfile({ ...period, period: length, timeNanos, durationNanos, comment, stacks: [] });
  const start = 1_700_000_000_000_000_007n;
  const merged = await merge(of(start + 5_000n, 1_000, 'node 20'), of(start, 2_000, 'node 22', 20 * ms), of(0n, 10, 'node 20'));
  assert.equal(merged.timeNanos, start);
  assert.equal(merged.durationNanos, 6_000n);
  assert.equal(merged.period, 20 * ms);
  assert.deepEqual(merged.comments, ['node 20', 'node 22']);
  assert.equal(merged.defaultSampleType, 'cpu');
  assert.equal(merged.periodType, 'cpu/nanoseconds');
});

test('profiles of other things are refused, and both are named', async () => {
  const stacks = [];
  const cpu = buildProfile({ ...period, stacks });
  const heap = buildProfile({ types: [['space', 'bytes']], defaultType: undefined, stacks });
  const wall = buildProfile({ ...period, periodType: ['wall', 'nanoseconds'], stacks });
  const code = 'ERR_PRONGHORN_INCOMPATIBLE_PROFILES';
  await assert.rejects(mergeProfiles(parts(cpu, heap)), { code, message: 'part 1 cannot be merged with part 0: sample types must be the same, and are space/bytes here and samples/count, cpu/nanoseconds, wall/nanoseconds there' });
  await assert.rejects(mergeProfiles(parts(cpu, wall)), { code, message: /period types must be the same, and are wall\/nanoseconds here and cpu\/nanoseconds there/ });
  await assert.rejects(mergeProfiles([]), { code: 'ERR_PRONGHORN_INVALID_PROFILE' });
});

test('merging a merged profile with others gives the same as merging all at once', async () => {
  const of = (name, value) => buildProfile({ ...period, stacks: [{ stack: [`${name} /a.js:1`], values: [value, value, value] }, { stack: ['both /a.js:2'], values: [1, 1, 1] }] });
  const [a, b, c] = [of('a', 1), of('b', 2), of('c', 3)];
  const inTwoSteps = await mergeProfiles(parts(await mergeProfiles(parts(a, b)), c));
  const atOnce = await mergeProfiles(parts(a, b, c));
  assert.deepEqual(gunzipSync(inTwoSteps), gunzipSync(atOnce));
});

test('one profile merged alone keeps everything, labels with units and unknown encodings included', async () => {
  const bytes = buildProfile({ ...period, comment: 'x', stacks: [{ stack: ['f /a.js:1', 'naïve😀 /ü.js:2'], values: [1, 2, 3], labels: { 'bytes': 12, 'text': 'a' } }] });
  const [before, after] = [readByPprofFormat(bytes), await merge(bytes)];
  for (const each of [before, after]) delete each.raw;
  assert.deepEqual(after, before);
  // Bytes that are no UTF-8 pass through as they are.
  const plain = gunzipSync(bytes);
  const at = plain.indexOf('naïve');
  plain[at + 2] = 0xff;
  const merged = gunzipSync(await mergeProfiles(parts(plain)));
  assert.ok(merged.includes(plain.subarray(at, at + 8)));
});

test('a part that is truncated or damaged anywhere is an error that names it, or another profile, never a crash', async () => {
  const bytes = gunzipSync(buildProfile({ ...period, base: 0x1000n, stacks: [{ stack: ['f /a.js:1', '0x10@/lib/x.so'], values: [1, 2, 3], labels: { a: 1, b: 'c' } }] }));
  let seed = 1;
  const random = (below) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let errors = 0;
  for (let round = 0; round < 2_000; round++) {
    const copy = Buffer.from(round % 4 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
    if (round % 4 !== 0) for (let change = 0; change < 3; change++) copy[random(copy.length)] = random(256);
    try {
      readProfile(await mergeProfiles([{ name: 'damaged', data: copy }]));
    } catch (error) {
      assert.equal(error.code, 'ERR_PRONGHORN_INVALID_PROFILE', error.stack);
      assert.match(error.message, /^damaged cannot be read as a pprof profile: /);
      errors += 1;
    }
  }
  assert.ok(errors > 1_000 && errors < 2_000, `${errors}`);
});
