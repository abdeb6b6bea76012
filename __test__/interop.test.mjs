// One profiler per process: ESM beside CommonJS, two copies of the package, a fresh module registry, another realm.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { copyOfPackage } from './helpers/copy-of-package.mjs';
import { majors } from './helpers/nodes.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const api = (name, major, settings = {}) => runScenario('api', major, { case: name, ...settings });

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
      const copy = join(copyOfPackage(), 'dist/index.js');
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
