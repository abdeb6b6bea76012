// A thread that waits and runs in turns is sampled wherever it runs, and not where its running begins: what wakes the ticker says nothing about where the
// time goes.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { majors } from './helpers/nodes.mjs';
import { describe, has, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

for (const major of majors) {
  it(`short callbacks are seen in their true shares (Node ${major})`, async () => {
    const { file, stats } = await runScenario('callbacks', major, { ms: 3_000, rounds: 300_000, options: { intervalMicros: 2_000 } });
    const { samples } = readProfile(file);
    const share = (name) => total(samples.filter(has(name)), 'cpu') / total(samples.filter(has('callback')), 'cpu');
    const shares = `${describe(samples, 'cpu')}\n${JSON.stringify(stats)}`;
    // Of some hundred samples: four standard deviations.
    assert.ok(Math.abs(share('firstQuarter') - 0.25) < 0.1, shares);
    assert.ok(Math.abs(share('theRest') - 0.75) < 0.1, shares);
    assert.ok(total(samples.filter(has('callback')), 'cpu') > 0.75 * total(samples, 'cpu'), shares);
  });
}
