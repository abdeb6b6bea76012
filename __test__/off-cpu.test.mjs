// Off-CPU truths: the time of a blocked thread goes to the call it waits in, which is interrupted once at most.
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { describe, it } from 'node:test';
import { sleep } from './helpers/child.mjs';
import { long, majors } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, share, total } from './helpers/pprof.mjs';
import { launchScenario, runScenario } from './helpers/scenarios.mjs';
import { assertAsleep, idleSwitches } from './helpers/switches.mjs';

const request = (port, path) =>
  new Promise((resolve, reject) => {
    get({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text) => (body += text))
        .on('end', () => resolve(body));
    }).on('error', reject);
  });

async function portOf(child) {
  return Number(/PORT (\d+)/.exec(await child.waitFor('PORT '))[1]);
}

async function idleServer(major, profile) {
  const child = await launchScenario('server', major, { profile }, { deadlineMs: 120_000 });
  try {
    const port = await portOf(child);
    await request(port, '/work');
    return await idleSwitches(child.pid);
  } finally {
    child.killGroup();
    await child.done;
  }
}

for (const major of majors) {
  describe(`off-CPU truths on Node ${major}`, { concurrency: 2 }, () => {
    for (const what of ['atomics', 'execSync', 'readSync', 'native']) {
      it(`${what} (Node ${major})`, async () => {
        const run = await runScenario('off-cpu', major, { what });
        const { samples } = readProfile(run.profile.file);
        const part = share(samples, 'wall', has(run.function));
        assert.ok(part >= 0.95, `${(100 * part).toFixed(1)}% of wall time is on ${run.function}:\n${describeStacks(samples, 'wall')}`);
        assert.ok(Math.abs(total(samples, 'wall') - run.wall) < 0.01 * run.wall + 10e6);
        assert.ok(total(samples, 'cpu') < 0.2 * run.wall, 'waiting is not computing');
        // execSync itself computes a little before and after it blocks.
        const allowed = run.blocks + (what === 'execSync' ? 3 : 1);
        assert.ok(run.signals <= allowed, `${run.signals} signals for ${run.blocks} blocks`);
        if (what === 'native')
          assert.ok(
            run.interrupted.every((count) => count <= 1),
            `interrupted ${run.interrupted} times`,
          );
      });
    }

    it(`a server at 1% load is idle (Node ${major})`, async () => {
      const child = await launchScenario('server', major);
      const port = await portOf(child);
      const end = Date.now() + (long ? 10_000 : 4000);
      while (Date.now() < end) {
        await request(port, '/work');
        await sleep(100);
      }
      await request(port, '/stop');
      const run = await child.report();
      const samples = readProfile(run.profile.file).samples.filter((sample) => sample.threadId === run.threadId);
      const part = share(samples, 'wall', has('(idle)'));
      assert.ok(part >= 0.95, `${(100 * part).toFixed(1)}% of wall time is idle:\n${describeStacks(samples, 'wall')}`);
      assert.ok(run.profile.stats.idleSamples > 0);
    });
  });

  it(`an idle server makes no wake-ups (Node ${major})`, async () => {
    const [without, withProfiler] = await Promise.all([idleServer(major, false), idleServer(major, true)]);
    assertAsleep(withProfiler, without);
  });
}
