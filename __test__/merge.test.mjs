// `pronghorn merge` on real profiles, against pprof's own merge and two readers that are not ours.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { run, runOk } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';

const hasGo = spawnSync('go', ['version']).status === 0;
const cli = join(root, 'dist/cli.js');

describe('merging profiles of several processes', () => {
  const out = scratch();
  const merged = join(out, 'merged.pb.gz');
  let files;

  before(async () => {
    // Two processes of the first major, so that much is equal, and one of each other: another binary, other functions.
    const scenarios = [];
    for (const major of [majors[0], ...majors]) scenarios.push(await runScenario('values', major, { rounds: 3, options: { intervalMicros: 1000 } }));
    files = scenarios.map((scenario) => scenario.profile.file);
    await runOk(nodePath(majors.at(-1)), [cli, 'merge', ...files, '-o', merged]);
  });

  it('keeps every sum, and each comment once', () => {
    const [parts, whole] = [files.map((file) => readProfile(file)), readProfile(merged)];
    for (const value of ['count', 'cpu', 'wall']) {
      const sum = parts.reduce((so, part) => so + total(part.samples, value), 0);
      assert.ok(sum > 0);
      assert.equal(total(whole.samples, value), sum, value);
    }
    assert.equal(new Set(whole.comments).size, whole.comments.length);
    assert.deepEqual(new Set(whole.comments), new Set(parts.flatMap((part) => part.comments)));
    const starts = parts.map((part) => part.timeNanos);
    const ends = parts.map((part) => part.timeNanos + part.durationNanos);
    const least = (values) => values.reduce((a, b) => (a < b ? a : b));
    const most = (values) => values.reduce((a, b) => (a > b ? a : b));
    assert.equal(whole.timeNanos, least(starts));
    assert.equal(whole.durationNanos, most(ends) - least(starts));
    for (const key of ['sampleTypes', 'defaultSampleType', 'periodType', 'period']) assert.deepEqual(whole[key], parts[0][key], key);
    const paths = whole.mappings.map((mapping) => `${mapping.file} ${mapping.buildId} ${mapping.limit - mapping.start}`);
    assert.equal(new Set(paths).size, paths.length, 'a library is one mapping, wherever it lies');
  });

  it("has as many samples, functions and places as pprof's own merge", { skip: !hasGo && 'needs the Go toolchain' }, async () => {
    const byGo = join(out, 'go.pb.gz');
    await runOk('go', ['tool', 'pprof', '-proto', '-symbolize=none', `-output=${byGo}`, ...files]);
    const sizes = (profile) => Object.fromEntries(['sample', 'function', 'location'].map((table) => [table, profile.raw[table].length]));
    assert.deepEqual(sizes(readProfile(merged)), sizes(readProfile(byGo)));
    const read = await runOk('go', ['tool', 'pprof', '-top', '-nodecount=100000', '-unit=ns', merged]);
    assert.match(read.stdout, /pronghorn_fixture_burn/);
  });

  it('is readable by pronghorn top, by thread too', async () => {
    const json = JSON.parse((await runOk(nodePath(majors[0]), [cli, 'top', merged, '--by', 'thread', '--json'])).stdout);
    assert.equal(json.groups.reduce((sum, group) => sum + group.sum, 0), json.sum);
    assert.ok(json.groups.length >= files.length);
  });

  it('says what is wrong, and writes nothing then', async () => {
    const heap = join(out, 'heap.pb.gz');
    const bad = join(out, 'bad.pb.gz');
    writeFileSync(bad, gzipSync('no profile'));
    for (const [args, code, message] of [
      [[files[0], join(out, 'missing'), '-o', heap], 1, /missing cannot be read as a pprof profile: there is no such file/],
      [[files[0], bad, '-o', heap], 1, /bad\.pb\.gz cannot be read/],
      [[files[0], '-o', join(files[0], 'x')], 1, /could not be written/],
      [[files[0]], 2, /no file to write to/],
    ]) {
      const result = await run(nodePath(majors[0]), [cli, 'merge', ...args]);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
      assert.doesNotMatch(result.stderr, /at .*\.js:\d+/, 'an error message, not a stack');
    }
    assert.equal(spawnSync('ls', [heap]).status !== 0, true);
  });
});
