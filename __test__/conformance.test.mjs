// Real profiles, read by two readers that are not ours: go tool pprof and pprof-format.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { run } from './helpers/child.mjs';
import { majors } from './helpers/nodes.mjs';
import { readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const hasGo = spawnSync('go', ['version']).status === 0;

/** On a machine where it never ran, Go first compiles it. The total that pprof prints: "… of 1234.56ms total". */
async function goTotal(file, sampleType) {
  const unit = sampleType === 'samples' ? 'count' : 'ns';
  const result = await run('go', ['tool', 'pprof', '-top', '-nodecount=100000', `-sample_index=${sampleType}`, `-unit=${unit}`, file], { deadlineMs: 180_000 });
  assert.equal(result.code, 0, result.stderr);
  const text = /of ([\d.]+)(?:ns)? total/.exec(result.stdout);
  assert.ok(text, result.stdout.slice(0, 500));
  return { total: Number(text[1]), text: result.stdout };
}

for (const major of majors) {
  describe(`conformance on Node ${major}`, () => {
    it(`the two readers agree with each other (Node ${major})`, { skip: !hasGo && 'needs the Go toolchain' }, async () => {
      const scenario = await runScenario('values', major, { rounds: 6, options: { intervalMicros: 1000 } });
      const profile = readProfile(scenario.profile.file);
      for (const [type, value] of [
        ['samples', 'count'],
        ['cpu', 'cpu'],
        ['wall', 'wall'],
      ]) {
        const go = await goTotal(scenario.profile.file, type);
        const ours = total(profile.samples, value);
        // pprof prints no more than six or seven digits.
        assert.ok(Math.abs(go.total - ours) <= Math.max(1, ours * 1e-4), `${type}: ${go.total} by go, ${ours} by pprof-format`);
        assert.match(go.text, /pronghorn_fixture_burn/);
        assert.match(go.text, /chunk/);
      }
    });

    it(`the profile is well formed (Node ${major})`, async () => {
      const scenario = await runScenario('values', major, { rounds: 4, options: { intervalMicros: 1000 } });
      const profile = readProfile(scenario.profile.file);
      assert.deepEqual(profile.sampleTypes, ['samples/count', 'cpu/nanoseconds', 'wall/nanoseconds']);
      assert.equal(profile.defaultSampleType, 'cpu');
      assert.equal(profile.periodType, 'cpu/nanoseconds');
      assert.equal(profile.period, 1_000_000);
      const comments = profile.comments.join('\n');
      assert.match(comments, new RegExp(`pronghorn \\d+\\.\\d+\\.\\d+.*node v?${major}\\..*v8 `));
      const { raw } = profile;
      for (const table of ['location', 'function', 'mapping']) {
        assert.deepEqual(
          raw[table].map((entry) => Number(entry.id)),
          raw[table].map((_, index) => index + 1),
          `${table} ids are 1..n`,
        );
      }
      assert.ok(profile.mappings.length > 0);
      for (const mapping of profile.mappings) assert.ok(mapping.limit > mapping.start && mapping.file !== '', JSON.stringify(mapping.file));
      const node = profile.mappings.find((mapping) => mapping.file.endsWith('/bin/node'));
      assert.match(node.buildId, /^[0-9a-f]{16,}$/);
      for (const sample of profile.samples) {
        assert.ok(sample.threadId > 0 && sample.threadName);
        for (const frame of sample.stack) {
          if (!frame.native) continue;
          assert.ok(frame.address >= frame.mapping.start && frame.address < frame.mapping.limit);
          assert.notEqual(frame.name, '');
        }
      }
      const [start, end] = [BigInt(scenario.profile.startTimeNanos), BigInt(scenario.profile.endTimeNanos)];
      assert.equal(profile.timeNanos, start);
      assert.equal(profile.durationNanos, end - start);
      assert.ok(Math.abs(Number(start / 1_000_000n) - Date.now()) < 120_000, 'real-time clock');
      const keys = profile.samples.map((sample) =>
        JSON.stringify([sample.stack.map((frame) => [frame.name, frame.file, frame.line, `${frame.address}`]), sample.threadId]),
      );
      assert.equal(new Set(keys).size, keys.length, 'equal stacks of one thread are one sample');
    });
  });
}
