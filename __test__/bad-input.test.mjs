// Bad input and bad luck: a clear error with a stable code, and nothing lost.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { majors, root } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';

const api = (name, major, settings = {}, options = {}) => runScenario('api', major, { case: name, ...settings }, options);

/** Options that are refused: source text, the option's name, and a phrase of what is allowed. */
const refused = [
  ...['999', '1000001', '0', '-1', '1500.5', 'NaN', 'Infinity', '"5000"', 'null', '[]', '{}', 'true', '5000n'].map((value) => [
    `{ intervalMicros: ${value} }`,
    'intervalMicros',
    /1,000 to 1,000,000/,
  ]),
  ...['0', '-1', '1025', '2.5', 'NaN', '"64"', 'null', '64n'].map((value) => [`{ maxDepth: ${value} }`, 'maxDepth', /1,024/]),
  ...['"some"', '"ALL"', '""', 'true', '1', 'null', '["all"]'].map((value) => [
    `{ nativeFrames: ${value} }`,
    'nativeFrames',
    /"none".*"leaf".*"all"/,
  ]),
  ['{ intervalMicro: 5000 }', 'intervalMicro', /intervalMicros/],
  ['{ unheardOf: 1 }', 'unheardOf', /intervalMicros/],
  ...['null', '"fast"', '5', '[]'].map((value) => [value, 'options', /object/]),
];
const accepted = [
  'undefined',
  '{}',
  '{ intervalMicros: 1000 }',
  '{ intervalMicros: 1000000 }',
  '{ intervalMicros: undefined }',
  '{ maxDepth: 1024 }',
  '{ nativeFrames: "none" }',
  '{ nativeFrames: "leaf" }',
  'Object.create(null)',
];

for (const major of majors) {
  describe(`bad input on Node ${major}`, { concurrency: 2 }, () => {
    it(`refuses every wrong option by name (Node ${major})`, async () => {
      const { results } = await api('options', major, { list: refused.map(([text]) => text) });
      for (const [index, [text, name, allowed]] of refused.entries()) {
        const result = results[index];
        assert.equal(result.code, 'ERR_PRONGHORN_INVALID_OPTION', text);
        assert.ok(result.message.includes(name), `${text}: ${result.message}`);
        assert.match(result.message, allowed, text);
        assert.equal(result.stop, 'ERR_PRONGHORN_NOT_STARTED', `${text}: nothing was started`);
      }
    });

    it(`accepts the bounds and the defaults (Node ${major})`, async () => {
      const { results } = await api('options', major, { list: accepted });
      for (const result of results) assert.deepEqual([result.value, result.stop], ['object', 'stopped'], JSON.stringify(result));
    });

    it(`the test hook is checked too (Node ${major})`, async () => {
      const { unknown, bad } = await api('testHook', major);
      assert.equal(unknown.code, 'ERR_PRONGHORN_INVALID_OPTION');
      assert.equal(bad.code, 'ERR_PRONGHORN_INVALID_OPTION');
    });

    it(`stop without start, and twice (Node ${major})`, async () => {
      const run = await api('stopWithoutStart', major);
      assert.equal(run.before.code, 'ERR_PRONGHORN_NOT_STARTED');
      assert.equal(run.afterwards.code, 'ERR_PRONGHORN_NOT_STARTED');
      assert.equal(run.rotate.code, 'ERR_PRONGHORN_NOT_STARTED');
      assert.equal(run.same, true);
    });

    it(`rotate during rotate loses nothing (Node ${major})`, async () => {
      const run = await api('rotateDuringRotate', major);
      assert.equal(run.second.code, 'ERR_PRONGHORN_ROTATION_IN_PROGRESS');
      const counts = [run.one, run.last].map((entry) => total(readProfile(entry.file).samples, 'count'));
      assert.ok(counts[0] > 20 && counts[1] > 20, `${counts}`);
      assert.equal(counts[0] + counts[1], run.last.stats.recorded);
    });

    it(`saving where nothing can be written keeps the profile (Node ${major})`, async () => {
      const file = join(scratch(), 'file');
      writeFileSync(file, '');
      for (const path of [join(file, 'below.pb.gz'), '/proc/pronghorn/x.pb.gz']) {
        const { bad, out } = await api('saveNowhere', major, { path });
        assert.equal(bad.code, 'ERR_PRONGHORN_WRITE_FAILED');
        assert.ok(bad.message.includes(path), bad.message);
        assert.ok(readProfile(join(out, 'saved.pb.gz')).samples.length > 0);
      }
    });

    const denied = {
      permission: [major === 20 ? '--experimental-permission' : '--permission', '--allow-fs-read=*', '--allow-fs-write=*'],
      'no-addons': ['--no-addons'],
    };
    for (const [what, flags] of Object.entries(denied)) {
      it(`--${what}: importing works, start() gives the reason and how to allow it (Node ${major})`, async () => {
        const run = await api('unsupported', major, { fixture: undefined }, { flags });
        for (const outcome of [run.start, run.profile]) {
          assert.equal(outcome.code, 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME');
          assert.match(outcome.message, what === 'permission' ? /--allow-addons/ : /--no-addons/);
        }
      });
    }

    it(`an unknown V8 version degrades to physical frames and says so (Node ${major})`, async () => {
      const run = await api('unknownV8', major);
      assert.equal(run.capabilities.frames, 'physical');
      assert.ok(
        run.capabilities.reasons.some((reason) => /V8.*not known/.test(reason)),
        `${run.capabilities.reasons}`,
      );
      const { samples } = readProfile(run.profile.file);
      assert.ok(share(samples, 'cpu', has('burn')) > 0.9, describeStacks(samples));
      // A sample in the middle of a deoptimization ends in (broken): README, Limits.
      const { brokenWalks, samples: taken } = run.profile.stats;
      assert.ok(brokenWalks <= Math.max(1, 0.01 * taken), `${brokenWalks} of ${taken} walks broke off`);
    });

    it(`profile() profiles, and can be aborted (Node ${major})`, async () => {
      const run = await api('profileFunction', major);
      const { samples } = readProfile(run.profile.file);
      assert.ok(share(samples, 'cpu', has('burn')) > 0.9, describeStacks(samples));
      const wall = Number(BigInt(run.profile.endTimeNanos) - BigInt(run.profile.startTimeNanos));
      assert.ok(wall > 290e6 && wall < 700e6, `${wall / 1e6} ms`);
      assert.equal(run.aborted.code, 'ERR_PRONGHORN_ABORTED');
      assert.equal(run.freeAgain.value, 'object');
    });
  });
}

it('the messages name no path of this machine', async () => {
  if (majors.length === 0) return;
  const { start } = await runScenario('api', majors[0], { case: 'unsupported', fixture: undefined }, { flags: ['--no-addons'] });
  assert.ok(!start.message.includes(root));
});
