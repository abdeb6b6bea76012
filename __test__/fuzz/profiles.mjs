// Sound profiles to damage: other shapes, labels, mappings, long texts; plain, and gzipped.
import { gunzipSync } from 'node:zlib';
import { buildProfile } from '../lib/build-profile.mjs';
import { hostileProfile } from '../helpers/hostile-profile.mjs';

const period = { periodType: ['cpu', 'nanoseconds'], period: 10_000_000 };

/** @returns {Buffer[]} without compression */
export function soundProfiles() {
  return [
    buildProfile({
      ...period,
      comment: 'pronghorn 0.1.0',
      stacks: [
        { stack: ['leaf /a.js:3', 'again /a.js:1', 'again /a.js:1', 'main /a.js:1'], values: [1, 2, 3], labels: { 'process id': 7, 'thread name': 'main' } },
        { stack: [['inner /a.js:7', 'outer /a.js:2'], 'main /a.js:1'], values: [9, 9, 9], labels: { tenant: 'ä'.repeat(40) } },
        { stack: ['0xabc@/lib/libz.so.1', 'main /a.js:1'], values: [2n ** 61n, 5, 5] },
      ],
      base: 0x7f0000000000n,
    }),
    buildProfile({ ...period, types: [['alloc_space', 'bytes']], defaultType: 'alloc_space', stacks: [{ stack: ['f'], values: [-5] }] }),
    buildProfile({ stacks: [{ stack: Array.from({ length: 300 }, (_, depth) => `deep${depth % 7} /d.js:${depth}`), values: [1, 1, 1] }] }),
    hostileProfile(),
  ].map((bytes) => gunzipSync(bytes));
}
