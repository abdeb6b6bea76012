// The thread that makes profiles, and the one that makes bodies for servers: nothing of libuv's pool is used, a system that refuses it costs no profile, and whoever ends before the answer is there ends as without it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { run } from './helpers/child.mjs';
import { runFork } from './helpers/fork.mjs';
import { long, majors, nodePath, root } from './helpers/nodes.mjs';

const [SCHED_OTHER, SCHED_BATCH] = [0, 3];
/** Where the tests run under such a filter, it stands back nowhere. */
const standsBack = /^NoNewPrivs:\t0$/m.test(readFileSync('/proc/self/status', 'utf8')) ? SCHED_BATCH : SCHED_OTHER;

const work = async (scenario, major, settings = {}) => (await runFork('work', scenario, major, settings)).report;

for (const major of majors) {
  it(`the first turn behind a start makes one thread, which all rotations use (Node ${major})`, async () => {
    const { found, started, turned, rotated, stopped } = await work('threads', major, { policy: standsBack });
    assert.ok(found);
    assert.ok(!started.ours.includes('pronghorn-work'));
    assert.deepEqual(turned.ours, [...started.ours, 'pronghorn-work'].sort());
    assert.deepEqual(turned.policies, [standsBack, SCHED_OTHER], 'it stands back behind the threads of the program');
    assert.equal(turned.all, started.all + 1, 'and none of libuv');
    assert.deepEqual(rotated, { all: turned.all, ours: turned.ours });
    assert.deepEqual(stopped, ['pronghorn-work'], 'which sleeps');
  });

  it(`under a filter of system calls that may kill the program for it, the thread does not ask to stand back (Node ${major})`, async () => {
    assert.deepEqual(await work('filtered', major), { denied: 0, found: true, policy: SCHED_OTHER });
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

  it(`a rotation does not wait for bodies that were asked for before it (Node ${major})`, async () => {
    const { before, made, rotated } = await work('apart', major, { bodies: 1_000 });
    assert.ok(rotated);
    assert.equal(made, 1_000);
    assert.ok(before < made, `${before} of ${made} bodies were made before it`);
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
