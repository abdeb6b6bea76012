// A cluster whose workers hang, are killed, lose their pipe, or cannot be profiled: each costs its own part, named with its reason, and a bounded wait.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isTheSum, partOf, shows } from './helpers/cluster-results.mjs';
import { majors } from './helpers/nodes.mjs';
import { runScenario } from './helpers/scenarios.mjs';

const cluster = (major, name, settings = {}, options = {}) =>
  runScenario('cluster-troubles', major, { case: name, options: { intervalMicros: 2_000 }, ...settings }, { deadlineMs: 25_000, ...options });

for (const major of majors) {
  describe(`troubles of a cluster on Node ${major}`, { concurrency: 2 }, () => {
    it(`a worker that hangs costs a bounded wait and its own part, which comes later (Node ${major})`, async () => {
      const { ids, first, stillHanging, second, last, after } = await cluster(major, 'hang');
      const [hanging, other] = ids;
      assert.ok(stillHanging, 'rotate() came before the worker did');
      assert.equal(partOf(first, hanging).code, 'ERR_PRONGHORN_WORKER_TIMEOUT');
      assert.match(partOf(first, hanging).message, /did not answer within 400 ms/);
      assert.equal(partOf(first, hanging).file, undefined);
      assert.equal(partOf(second, hanging).code, undefined);
      shows(partOf(second, hanging), 'hang');
      isTheSum(second);
      for (const result of [first, second, last, after]) assert.equal(partOf(result, other).code, undefined);
      for (const result of [last, after]) assert.equal(partOf(result, hanging).code, 'ERR_PRONGHORN_WORKER_TIMEOUT');
    });

    it(`a worker that is killed while it is waited for ends the wait, one that is stopped does not prolong it (Node ${major})`, async () => {
      const { first, firstMs, second, secondMs, third } = await cluster(major, 'killedPending');
      assert.equal(partOf(first, 1).code, 'ERR_PRONGHORN_WORKER_LOST');
      assert.match(partOf(first, 1).message, /ended \(SIGKILL\)/);
      assert.equal(partOf(first, 2).code, undefined);
      assert.ok(firstMs < 10_000, `${firstMs} ms, with a patience of 20,000`);
      assert.equal(partOf(second, 2).code, 'ERR_PRONGHORN_WORKER_TIMEOUT');
      assert.ok(secondMs < 10_000, `${secondMs} ms, with a patience of 400`);
      assert.equal(partOf(third, 2).code, undefined);
      shows(partOf(third, 2), 'workerHums');
    });

    it(`a period that waits to be handed over when a signal ends the worker is named (Node ${major})`, async () => {
      const { result } = await cluster(major, 'cutOff');
      const { code, message } = partOf(result, 1);
      assert.equal(code, 'ERR_PRONGHORN_WORKER_LOST');
      assert.match(message, /ended \(SIGTERM\) before it delivered its profile of the time from \S+Z to \S+Z/);
      shows(partOf(result, 1), 'hang');
    });

    it(`a worker that lives on without its pipe is named once, and never waited for (Node ${major})`, async () => {
      const { first, firstMs, second, secondMs } = await cluster(major, 'withoutPipe');
      assert.equal(partOf(first, 1).code, 'ERR_PRONGHORN_WORKER_LOST');
      assert.match(partOf(first, 1).message, /has closed its pipe/);
      assert.equal(partOf(second, 1).code, 'ERR_PRONGHORN_WORKER_UNREACHABLE');
      assert.match(partOf(second, 1).message, /closed its pipe/);
      for (const took of [firstMs, secondMs]) assert.ok(took < 10_000, `${took} ms, with a patience of 20,000`);
      // Node 20 has no process.execve.
      const hasExecve = major > 20;
      assert.deepEqual([2, 3].map((id) => partOf(first, id).code), [undefined, hasExecve ? 'ERR_PRONGHORN_WORKER_LOST' : undefined]);
      for (const id of [2, 3]) shows(partOf(first, id), 'workerHums');
      assert.equal(partOf(second, 2).code, hasExecve ? 'ERR_PRONGHORN_WORKER_UNREACHABLE' : undefined);
    });

    it(`a profiler that has switched itself off is named, beside what it had collected (Node ${major})`, async () => {
      const { rotation, result } = await cluster(major, 'failing', { hook: { injectPanic: 'the ticker' } });
      for (const each of [rotation, result]) {
        for (const id of [0, 1, 2]) {
          assert.deepEqual([partOf(each, id).code, partOf(each, id).message], ['ERR_PRONGHORN_INTERNAL', 'the ticker failed: injected']);
          assert.ok(partOf(each, id).file !== undefined);
        }
      }
    });

    it(`what a worker cannot deliver is named with its reason (Node ${major})`, async () => {
      const { ids, inspectors, second, plain, nested, overlapping, rotation, result } = await cluster(major, 'reasons');
      for (const each of [rotation, result]) {
        assert.equal(partOf(each, ids.early).code, 'ERR_PRONGHORN_WORKER_UNREACHABLE');
        assert.match(partOf(each, ids.early).message, /forked before the primary imported/);
        assert.equal(partOf(each, ids.busy).code, 'ERR_PRONGHORN_ALREADY_STARTED');
        assert.equal(partOf(each, 0).code, undefined);
      }
      // The worker's own code has called stop(): that is said, and what it had collected comes with the session's stop().
      assert.equal(partOf(rotation, ids.stopping).code, 'ERR_PRONGHORN_NOT_STARTED');
      shows(partOf(result, ids.stopping), 'workerHums');
      assert.equal(second[0], 'ERR_PRONGHORN_ALREADY_STARTED');
      assert.match(second[1], /scenarios\/cluster-troubles\.mjs:\d+:\d+ through startCluster\(\), which shares it with nobody/);
      assert.equal(plain[0], 'ERR_PRONGHORN_ALREADY_STARTED');
      assert.equal(nested, 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME');
      assert.equal(overlapping, 'ERR_PRONGHORN_ROTATION_IN_PROGRESS');
      assert.deepEqual(inspectors, ['undefined', 'undefined'], 'nobody has opened an inspector');
    });
  });
}
