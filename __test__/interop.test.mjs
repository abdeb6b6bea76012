// One profiler per process: ESM beside CommonJS, two copies of the package, a fresh module registry, another realm.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { majors, root } from './helpers/nodes.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';

const api = (name, major, settings = {}) => runScenario('api', major, { case: name, ...settings });

/** A second copy of the package as an installation would hold it: no symlink, a binary of its own. */
function copyOfPackage() {
  const folder = join(scratch(), 'node_modules/pronghorn');
  mkdirSync(folder, { recursive: true });
  const files = ['package.json', 'dist', 'native.cjs', ...readdirSync(root).filter((name) => name.endsWith('.node'))];
  for (const name of files) cpSync(join(root, name), join(folder, name), { recursive: true });
  return join(folder, 'dist/index.js');
}

for (const major of majors) {
  describe(`one profiler per process on Node ${major}`, { concurrency: 2 }, () => {
    it(`equal options share it, others are refused by name (Node ${major})`, async () => {
      const run = await api('equalOptions', major);
      assert.equal(run.same, true);
      for (const refusal of [run.different, run.meanwhile]) {
        assert.equal(refusal.code, 'ERR_PRONGHORN_ALREADY_STARTED');
        assert.match(refusal.message, /api\.mjs/, 'it names who started the one that runs');
      }
      assert.ok(run.samples > 10);
    });

    it(`ESM and require() (Node ${major})`, async () => {
      const run = await api('commonJs', major);
      assert.equal(run.same, true);
      for (const name of ['start', 'stop', 'profile']) assert.ok(run.names.includes(name) && run.esm.includes(name));
      assert.ok(run.samples > 3);
    });

    it(`two copies of the package, and a fresh module registry (Node ${major})`, async () => {
      const copy = copyOfPackage();
      const run = await api('twoCopies', major, { copy, copyUrl: pathToFileURL(copy).href });
      assert.equal(run.distinct, true, 'they are two copies');
      assert.equal(run.sameProfiler, true);
      for (const refusal of [run.theirs, run.freshly]) {
        assert.equal(refusal.code, 'ERR_PRONGHORN_ALREADY_STARTED');
        assert.match(refusal.message, /api\.mjs/);
      }
      assert.ok(run.samples > 10);
      assert.equal(run.freeAgain.value, 'object');
    });

    it(`another realm (Node ${major})`, async () => {
      const { different } = await api('otherRealm', major);
      assert.equal(different.code, 'ERR_PRONGHORN_ALREADY_STARTED');
    });
  });
}
