// A cluster that its primary profiles: what the application sees of it, which is nothing, and what the result holds.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { sleep } from './helpers/child.mjs';
import { isTheSum, partOf, shows } from './helpers/cluster-results.mjs';
import { majors } from './helpers/nodes.mjs';
import { describe as stacks, has, readProfile, total } from './helpers/pprof.mjs';
import { launchScenario, runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';

const cluster = (major, name, settings = {}, options = {}) =>
  runScenario('cluster', major, { case: name, options: { intervalMicros: 2_000 }, ...settings }, { deadlineMs: 25_000, ...options });

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
