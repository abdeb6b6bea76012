// A panic in any entry of the native half is caught: the program goes on, the profiler is off and says why, and what was
// collected before can still be had.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runOk } from './helpers/child.mjs';
import { majors, nodePath } from './helpers/nodes.mjs';

const app = fileURLToPath(new URL('apps/panics.mjs', import.meta.url));
const places = ['the ticker', 'the safe point before the poll', 'the garbage collection prologue', 'the garbage collection epilogue', 'the interrupt'];

async function runWith(place, major) {
  // Where a backtrace is asked for, too: printing one takes more stack than the ticker has.
  const { stdout, stderr } = await runOk(nodePath(major), ['--expose-gc', app, place], { deadlineMs: 30_000, env: { RUST_BACKTRACE: 'full' } });
  assert.match(stderr, /^pronghorn: injected \(\S*failure\.rs:\d+:\d+\)\n$/, 'a line, and no more');
  return JSON.parse(stdout);
}

for (const major of majors) {
  describe(`panics on Node ${major}`, { concurrency: 2 }, () => {
    for (const place of places) {
      it(`in ${place} (Node ${major})`, async () => {
        const { heard, thrown, reasons, stillSampling, bytes, second } = await runWith(place, major);
        assert.deepEqual(heard, [{ code: 'ERR_PRONGHORN_INTERNAL', message: `${place} failed: injected` }]);
        assert.equal(thrown, undefined);
        assert.ok(reasons.includes(`${place} failed: injected`), reasons.join('\n'));
        assert.equal(stillSampling, false);
        assert.ok(bytes > 100);
        assert.ok(second > 0, `${second} samples after the next start`);
      });
    }

    it(`in the end of an environment, a worker's (Node ${major})`, async () => {
      const { heard, stillSampling, second, workerCode } = await runWith('the end of an environment', major);
      assert.equal(workerCode, 0);
      assert.deepEqual(heard, [{ code: 'ERR_PRONGHORN_INTERNAL', message: 'the end of an environment failed: injected' }]);
      assert.equal(stillSampling, false);
      assert.ok(second > 0, `${second} samples after the next start`);
    });

    it(`in a native call (Node ${major})`, async () => {
      const { thrown, heard, second } = await runWith('a native call', major);
      assert.deepEqual(thrown ?? heard[0], { code: 'ERR_PRONGHORN_INTERNAL', message: 'a native call failed: injected' });
      assert.ok(second > 0);
    });
  });
}
