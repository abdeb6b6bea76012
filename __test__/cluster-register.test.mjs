// A cluster under `register`, or `pronghorn run`: primary and workers each write their own profile, however they end. Then the command: merge
// makes one of them, and top tells them apart again.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { run, runOk } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { describe as stacks, has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';
import { buildProfile } from './lib/build-profile.mjs';

const app = join(root, '__test__/apps/cluster.mjs');
const cli = join(root, 'dist/cli.js');

const ways = {
  register: ['--import', 'pronghorn/register', app],
  run: [cli, 'run', '--', app],
};
const FUNCTIONS = ['primaryWork', 'firstWork', 'secondWork', 'thirdWork', 'fourthWork'];

for (const major of majors) {
  const node = nodePath(major);
  for (const [way, args] of Object.entries(ways)) {
    describe(`a cluster under ${way} on Node ${major}`, () => {
      const out = scratch();
      const merged = join(scratch(), 'merged.pb.gz');
      /** Per process that has left a file, the primary first: its id, its worker's id (0: none), its file and its profile. */
      let processes;
      let said;

      it(`each process writes its own profile, whichever way it ends (${way}, Node ${major})`, async () => {
        const { stdout } = await runOk(node, args, { deadlineMs: 25_000, env: { PRONGHORN_OUTPUT_DIR: out, PRONGHORN_INTERVAL_MICROS: '1000' } });
        const { primary, pids, ends } = JSON.parse(/^REPORT (.*)$/m.exec(stdout)[1]);
        assert.deepEqual(ends.slice(0, 3), [[null, 'SIGTERM'], [null, 'SIGTERM'], [0, null]]);
        const files = readdirSync(out);
        said = `${files} of ${[primary, ...pids]}, which ended ${JSON.stringify(ends)}`;
        processes = [primary, ...pids].flatMap((pid, workerId) => {
          const own = files.filter((file) => new RegExp(`^CPU\\.\\d{8}\\.\\d{6}\\.${pid}\\.0\\.pb\\.gz$`).test(file)).map((name) => join(out, name));
          return own.map((file) => ({ pid, workerId, file, profile: readProfile(file) }));
        });
        assert.deepEqual(processes.map(({ workerId }) => workerId).filter((id) => id !== 4), [0, 1, 2, 3], said);
        for (const { pid, workerId, profile } of processes) {
          for (const { labels } of profile.samples) {
            assert.deepEqual([labels['process id'], labels['cluster worker id']], [BigInt(pid), workerId === 0 ? undefined : BigInt(workerId)]);
          }
          const found = FUNCTIONS.filter((name) => profile.samples.some(has(name)));
          assert.deepEqual(found, [FUNCTIONS[workerId]]);
          const cpu = total(profile.samples.filter(has(FUNCTIONS[workerId])), 'cpu');
          // Of 100 ms of the process, whose other threads compile and collect.
          assert.ok(cpu > 20e6, `${cpu}:\n${stacks(profile.samples, 'cpu')}`);
        }
      });

      it(`also one that SIGTERM hits while it writes its last profile, and nothing else is left (${way}, Node ${major})`, () => {
        assert.deepEqual(processes.map(({ workerId }) => workerId), [0, 1, 2, 3, 4], said);
        assert.equal(readdirSync(out).length, 5, said);
      });

      it(`pronghorn merge makes one of them, and pronghorn top tells them apart (${way}, Node ${major})`, async () => {
        await runOk(node, [cli, 'merge', ...processes.map(({ file }) => file), '-o', merged]);
        const top = async (...more) => JSON.parse((await runOk(node, [cli, 'top', merged, '--json', '--value', 'cpu', ...more])).stdout);
        const sums = new Map(processes.map(({ pid, profile }) => [pid, total(profile.samples, 'cpu')]));

        const byProcess = await top('--by', 'process', '--count', '50');
        assert.equal(byProcess.by, 'process');
        assert.deepEqual(new Map(byProcess.groups.map((group) => [group.labels['process id'], group.sum])), new Map([...sums].sort(([, a], [, b]) => b - a)));
        for (const { pid, workerId } of processes) {
          const { labels, rows } = byProcess.groups.find((group) => group.labels['process id'] === pid);
          assert.equal(labels['cluster worker id'], workerId === 0 ? undefined : workerId);
          assert.deepEqual(rows.map((row) => row.name).filter((name) => FUNCTIONS.includes(name)), [FUNCTIONS[workerId]]);
        }

        const byThread = await top('--by', 'thread');
        for (const { pid, workerId } of processes) {
          const threads = byThread.groups.filter((group) => group.labels['process id'] === pid);
          assert.equal(threads.reduce((sum, group) => sum + group.sum, 0), sums.get(pid));
          const main = threads.find((group) => group.labels['thread id'] === pid);
          assert.equal(main.labels['thread name'], 'main');
          assert.equal(main.labels['cluster worker id'], workerId === 0 ? undefined : workerId);
        }
        const table = await runOk(node, [cli, 'top', merged, '--by', 'process']);
        for (const { pid, workerId } of processes) assert.ok(table.stdout.includes(workerId === 0 ? `process ${pid}\n` : `process ${pid} (cluster worker ${workerId})\n`), table.stdout);
      });

      it(`what measures other things is refused by name, and nothing is written (${way}, Node ${major})`, async () => {
        const heap = join(scratch(), 'heap.pb.gz');
        writeFileSync(heap, buildProfile({ types: [['space', 'bytes']], defaultType: undefined, stacks: [{ stack: ['f /a.js:1'], values: [1] }] }));
        const output = join(scratch(), 'out.pb.gz');
        const { code, stdout, stderr } = await run(node, [cli, 'merge', processes[0].file, heap, '-o', output]);
        assert.deepEqual([code, stdout, existsSync(output)], [1, '', false]);
        assert.match(stderr, /^pronghorn: .*heap\.pb\.gz cannot be merged with .*: sample types must be the same, and are space\/bytes here and samples\/count, cpu\/nanoseconds, wall\/nanoseconds there\n$/);
      });
    });
  }
}
