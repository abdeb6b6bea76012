// The signal handler allocates nothing: a library in front of libc counts what the whole process, Node and V8 included, allocates while it runs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { allocationFixturePath } from './helpers/fixture.mjs';
import { long, majors } from './helpers/nodes.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';

async function allocations(major, env = {}) {
  const file = join(scratch(), 'allocations.json');
  const settings = { ms: long ? 20_000 : 2400, hook: { intervalNanos: 200_000 }, options: { stallThresholdMs: 200 } };
  const counting = { LD_PRELOAD: await allocationFixturePath(), PRONGHORN_ALLOCATIONS: file, ...env };
  const run = await runScenario('allocations', major, settings, { env: counting, deadlineMs: settings.ms * 5 + 30_000 });
  return { ...run, ...JSON.parse(readFileSync(file, 'utf8')) };
}

for (const major of majors) {
  describe(`allocations on Node ${major}`, { concurrency: 1 }, () => {
    it(`the handler allocates, frees and maps nothing (Node ${major})`, async (context) => {
      const run = await allocations(major);
      const { handled, allocated, freed, mapped, all, samples, stalls } = run;
      context.diagnostic(`${handled} signals handled, ${samples} samples, ${stalls} stalls; ${all} allocations in all`);
      assert.ok(samples > 500, `${samples} samples`);
      assert.ok(handled >= samples / 2, `${handled} signals handled for ${samples} samples: the library sees them`);
      assert.ok(stalls > 0, 'a stack was named in the handler');
      assert.ok(all > 1000, 'the library is asked for memory');
      assert.deepEqual({ allocated, freed, mapped }, { allocated: 0, freed: 0, mapped: 0 });
    });

    it(`a handler that allocates is found (Node ${major})`, async () => {
      const { handled, allocated, freed } = await allocations(major, { PRONGHORN_ALLOCATE_IN_HANDLER: '1' });
      assert.ok(handled > 100);
      assert.deepEqual({ allocated, freed }, { allocated: handled, freed: handled });
    });
  });
}
