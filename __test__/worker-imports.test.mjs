// The handlers of faults are the process's: a worker that looks around with them must not take them away from a session that begins or ends.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { runScenario } from './helpers/scenarios.mjs';

for (const major of majors) {
  it(`workers import the package while sessions begin and end (Node ${major})`, async () => {
    const settings = { sessions: long ? 1_000 : 150, options: { intervalMicros: 1_000 } };
    const run = await runScenario('worker-imports', major, settings, { deadlineMs: long ? 240_000 : 60_000 });
    assert.deepEqual(run.errors, []);
    assert.equal(run.refusedWalks, 0);
    assert.ok(!run.reasons.some((reason) => /SIGSEGV|fault/i.test(reason)), run.reasons.join('\n'));
    assert.ok(run.imported >= 20 && run.samples >= settings.sessions, `${run.imported} imports, ${run.samples} samples`);
  });
}
