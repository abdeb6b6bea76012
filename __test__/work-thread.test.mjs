// The thread that makes profiles, and the one that makes bodies for servers: nothing of libuv's pool is used, a system that refuses it costs no profile, and whoever ends before the answer is there ends as without it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { run } from './helpers/child.mjs';
import { runFork } from './helpers/fork.mjs';
import { long, majors, nodePath, root } from './helpers/nodes.mjs';

const work = async (scenario, major, settings = {}) => (await runFork('work', scenario, major, settings)).report;

for (const major of majors) {
  it(`the first rotation makes one thread, which all others use (Node ${major})`, async () => {
    const { found, before, after, stopped } = await work('threads', major);
    assert.ok(found);
    assert.deepEqual(after.ours, [...before.ours, 'pronghorn-work'].sort());
    assert.equal(after.all, before.all + 1, 'and none of libuv');
    assert.deepEqual(stopped, ['pronghorn-work'], 'which sleeps');
  });

  it(`where the system refuses a thread the profiles are made on the calling one (Node ${major})`, async () => {
    const { denied, ours, ...rest } = await work('refused', major);
    assert.equal(denied, 0, 'this system cannot refuse threads');
    assert.deepEqual(rest, { rotated: true, sequence: 1, stopped: true });
    assert.ok(!ours.includes('pronghorn-work'));
  });

  it(`bodies for servers have a thread of their own (Node ${major})`, async () => {
    assert.deepEqual(await work('bodies', major), { before: ['pronghorn-work'], after: ['pronghorn-body', 'pronghorn-work'], bytes: true });
  });

  it(`an environment that ends while its work is under way ends as it would (Node ${major})`, async () => {
    const { codes, bytes } = await work('environments', major, { times: long ? 200 : 16 });
    assert.deepEqual(codes, [1, 3]);
    assert.ok(bytes > 0);
  });

  it(`so does a process (Node ${major})`, async () => {
    const script = `
      import { start } from ${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')))};
      const burn = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
      const profiler = start({ intervalMicros: 1_000 });
      burn(20);
      profiler[process.argv[1]]();
      burn(Number(process.argv[2]));
      process.exit(7);`;
    const delays = Array.from({ length: long ? 200 : 8 }, (_, index) => index / (long ? 10 : 1));
    for (const delay of delays) {
      for (const what of ['rotate', 'stop']) {
        const { code, signal, stderr } = await run(nodePath(major), ['--input-type=module', '-e', script, what, String(delay)]);
        assert.deepEqual([code, signal, stderr], [7, null, ''], `${what}, ${delay} ms`);
      }
    }
  });
}
