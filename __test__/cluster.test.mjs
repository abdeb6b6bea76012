// A cluster that its primary profiles: everything that a worker may do meanwhile, and nothing that the application sees of it.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { sleep } from './helpers/child.mjs';
import { majors } from './helpers/nodes.mjs';
import { describe as stacks, has, readProfile, total } from './helpers/pprof.mjs';
import { launchScenario, runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';

const cluster = (major, name, settings = {}, options = {}) =>
  runScenario('cluster', major, { case: name, options: { intervalMicros: 2_000 }, ...settings }, { deadlineMs: 25_000, ...options });

/** The part of one worker, or of the primary (0). */
const partOf = (result, id) => result.processes.find((part) => (part.workerId ?? 0) === id);

/** The merged profile holds what the parts hold, to the last nanosecond, and each sample says whose it is. */
function isTheSum(result) {
  const whole = readProfile(result.file);
  const parts = result.processes.filter((part) => part.file !== undefined).map((part) => Object.assign(part, { profile: readProfile(part.file) }));
  assert.ok(parts.length > 1);
  for (const value of ['count', 'cpu', 'wall']) {
    const sum = parts.reduce((so, { profile }) => so + total(profile.samples, value), 0);
    assert.equal(total(whole.samples, value), sum, value);
    for (const { processId, profile } of parts) {
      const own = whole.samples.filter((sample) => sample.labels['process id'] === BigInt(processId));
      assert.equal(total(own, value), total(profile.samples, value), `${value} of ${processId}`);
    }
  }
  for (const { workerId, processId, profile } of parts) {
    for (const { labels } of profile.samples) {
      assert.equal(labels['process id'], BigInt(processId));
      assert.equal(labels['cluster worker id'], workerId === undefined ? undefined : BigInt(workerId));
    }
  }
  assert.equal(whole.timeNanos, BigInt(result.startTimeNanos));
  return whole;
}

/** A part shows that a function ran. How long it did is not this test's affair. */
function shows(part, name) {
  assert.ok(part?.file !== undefined, `${part?.workerId}: ${part?.message}`);
  const { samples } = readProfile(part.file);
  assert.ok(total(samples.filter(has(name)), 'cpu') > 5e6, `${name}:\n${stacks(samples, 'cpu')}`);
}

for (const major of majors) {
  describe(`cluster on Node ${major}`, { concurrency: 2 }, () => {
    it(`four workers under load: one killed, one ended by SIGTERM, one disconnected, one respawned (Node ${major})`, async () => {
      const { pids, first, last, again, afterStop } = await cluster(major, 'load');
      isTheSum(first);
      assert.deepEqual(first.processes.map((part) => [part.role, part.workerId, part.code]), [['primary', undefined, undefined], ...[1, 2, 3, 4].map((id) => ['worker', id, undefined])]);
      assert.deepEqual(first.processes.slice(1).map((part) => part.processId), pids.slice(0, 4));
      for (const id of [1, 2, 3, 4]) shows(partOf(first, id), 'handleRequest');

      isTheSum(last);
      assert.deepEqual(last.processes.map((part) => [part.workerId, part.code]), [[undefined, undefined], [1, 'ERR_PRONGHORN_WORKER_LOST'], [2, undefined], [3, undefined], [4, undefined], [5, undefined]]);
      assert.match(partOf(last, 1).message, new RegExp(`cluster worker 1 \\(process ${pids[0]}\\) ended \\(SIGKILL\\)`));
      assert.equal(partOf(last, 1).file, undefined);
      for (const id of [2, 3, 4, 5]) shows(partOf(last, id), 'handleRequest');
      assert.equal(partOf(last, 5).processId, pids[4]);
      assert.deepEqual(again.processes.map((part) => part.code), last.processes.map((part) => part.code), 'a second stop() gives the same');
      assert.equal(afterStop, 'ERR_PRONGHORN_NOT_STARTED');
    });

    it(`the application sees nothing: messages, settings, flags, variables, descriptors, children (Node ${major})`, async () => {
      const { setups, messages, views, answers, childrenMeanwhile, rotated, stopped, stdio, listeners, names } = await cluster(major, 'unseen');
      const ids = [1, 2, 3, 4, 5];
      for (const id of ids) for (const result of [rotated, stopped]) shows(partOf(result, id), 'workerHums');
      isTheSum(stopped);
      // Messages: the application's own, in both directions.
      const expected = [...ids.flatMap((id) => [[id, 'seen'], [id, 'echo']]), [1, 'children']];
      const sorted = (list) => list.map((entry) => JSON.stringify(entry)).sort();
      assert.deepEqual(sorted(messages), sorted(expected));
      // Settings.
      const untouched = (seen) => assert.doesNotMatch(JSON.stringify(seen), /cluster-agent|PRONGHORN_CLUSTER/);
      untouched([setups, views, answers.map((answer) => ({ ...answer, children: undefined }))]);
      assert.equal(setups.length, 9, 'one for each call of setupPrimary, fork or not');
      assert.deepEqual(setups.filter((seen) => !seen.current).length, 8, 'each has been replaced since, but for the last');
      assert.deepEqual(views.map((view) => [view.execArgv, view.stdio?.length, view.args?.length, view.variable]), [
        [undefined, undefined, undefined, false],
        [[], undefined, 1, false],
        [['--stack-size=900'], undefined, 2, false],
        [[], undefined, 2, false],
        [[], undefined, 2, false],
      ]);
      assert.deepEqual(stdio, [4, 4, 5, 4, 4]);
      assert.equal(listeners, 0);
      assert.deepEqual(names, ['cluster.fork', 'cluster.setupPrimary'].flatMap((name, index) => (index === 0 ? [names[0], 1] : [names[2]])));
      // Workers.
      assert.deepEqual(answers.map((answer) => answer.execArgv), [[], ['--stack-size=900'], [], [], []]);
      assert.deepEqual(answers.map((answer) => answer.argv), [[], ['extra'], ['extra'], ['extra'], ['extra']]);
      assert.deepEqual(answers.map((answer) => answer.own), [undefined, 'yes', undefined, undefined, undefined]);
      for (const answer of answers) assert.deepEqual([answer.environment, answer.preloaded], [[], []]);
      // Their children, before a session and during one.
      for (const { spawned, forked, threads, inherited, files } of [answers[0].children, childrenMeanwhile]) {
        for (const child of [spawned, forked, ...threads]) {
          assert.deepEqual([child.environment, child.agent, (child.preloaded ?? []).filter((path) => path.includes('pronghorn'))], [[], [], []]);
          assert.doesNotMatch(child.execArgv.join(), /cluster-agent/);
        }
        assert.equal(inherited, 1, 'no socket reaches what a worker starts but its own standard output');
        assert.deepEqual(files, []);
      }
    });

    it(`a dormant agent is one socket and nothing else (Node ${major})`, async () => {
      const [with_, without] = await Promise.all([cluster(major, 'dormant'), cluster(major, 'dormant', { without: true })]);
      const { out, tasks, ...measure } = without;
      const { tasks: ownTasks, ...own } = with_;
      assert.deepEqual({ ...own, out, sockets: own.sockets - 1 }, { out, ...measure });
      // Without the native half there is no thread of ours; Node itself begins and ends one at times.
      assert.equal(with_.native, false);
      assert.ok(Math.abs(ownTasks - tasks) <= 1, `${ownTasks} threads, ${tasks} without the agent`);
    });

    it(`an idle worker ends, dormant or profiled, and so does the primary (Node ${major})`, async () => {
      const { codes, rotated } = await cluster(major, 'idle', {}, { deadlineMs: 10_000 });
      assert.deepEqual(codes, [0, 0]);
      assert.equal(partOf(rotated, 1), undefined, 'it had ended before the session began');
      shows(partOf(rotated, 2), 'burnFor');
    });

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
      assert.match(second[1], /scenarios\/cluster\.mjs:\d+:\d+ through startCluster\(\), which shares it with nobody/);
      assert.equal(plain[0], 'ERR_PRONGHORN_ALREADY_STARTED');
      assert.equal(nested, 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME');
      assert.equal(overlapping, 'ERR_PRONGHORN_ROTATION_IN_PROGRESS');
      assert.deepEqual(inspectors, ['undefined', 'undefined'], 'nobody has opened an inspector');
    });

    // Node 20 has no process.execve.
    if (major >= 22) {
      it(`a worker that becomes another program has delivered its last period (Node ${major})`, async () => {
        const { ids, exitCode, first, last } = await cluster(major, 'exec', {}, { flags: ['--no-warnings'] });
        assert.equal(exitCode, 3, 'it became that program');
        for (const result of [first, last]) {
          isTheSum(result);
          for (const id of ids) {
            assert.equal(partOf(result, id).code, undefined, partOf(result, id).message);
            shows(partOf(result, id), 'workerHums');
          }
        }
      });
    }

    it(`profileCluster() covers workers forked meanwhile, from their first line on (Node ${major})`, async () => {
      const { wrong, reason, result, joined, id } = await cluster(major, 'duration');
      assert.deepEqual(wrong, wrong.map(() => 'ERR_PRONGHORN_INVALID_OPTION'));
      assert.deepEqual(reason, ['AbortError', 'ERR_PRONGHORN_ABORTED', 'because']);
      isTheSum(result);
      isTheSum(joined);
      const late = readProfile(partOf(joined, id).file);
      assert.ok(total(late.samples.filter(has('firstLines')), 'cpu') > 20e6, stacks(late.samples, 'cpu'));
    });

    it(`a primary that is killed leaves no file and no worker behind (Node ${major})`, async () => {
      const temporary = scratch();
      const primary = await launchScenario('cluster', major, { case: 'killed', options: {} }, { env: { TMPDIR: temporary } });
      const text = await primary.waitFor('REPORT');
      const { pids, files } = JSON.parse(/REPORT (.*)/.exec(text)[1]);
      assert.equal(pids.length, 2);
      assert.deepEqual(files, []);
      // Its group lives on for a moment, so that the workers can be seen to end by themselves.
      process.kill(primary.pid, 'SIGSTOP');
      primary.kill('SIGKILL');
      const alive = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
      for (let tries = 0; tries < 200 && alive().length > 0; tries++) await sleep(20);
      assert.deepEqual(alive(), []);
      assert.deepEqual(readdirSync(temporary), []);
    });

    it(`sessions can follow each other, and leave nothing behind (Node ${major})`, async () => {
      const { counts, warnings, descriptors } = await cluster(major, 'often');
      assert.deepEqual(counts, counts.map(() => 3));
      assert.deepEqual(warnings, []);
      assert.ok(descriptors <= 1, `${descriptors} descriptors more`);
    });
  });
}
