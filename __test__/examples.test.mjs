// The programs of examples/, as a reader would run them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { runOk } from './helpers/child.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

it('examples/cluster.mjs profiles a cluster under load as a whole', async () => {
  const out = scratch();
  const { stdout } = await runOk(process.execPath, ['examples/cluster.mjs', '--seconds', '2', '--output-dir', out], { deadlineMs: 60_000 });
  assert.match(stdout, /^autocannon: \d+ requests from 20 connections in 2 s, p99 \d+ ms, 0 failed$/m);
  for (const name of ['the primary', 'worker 1', 'worker 2']) assert.match(stdout, new RegExp(`^${name} \\(process \\d+\\): \\d+ samples$`, 'm'));
  const { samples } = readProfile(join(out, 'cluster.pb.gz'));
  for (const worker of [1n, 2n]) {
    const own = samples.filter((sample) => sample.labels['cluster worker id'] === worker);
    // Compression and price are nearly all that a request costs here; where it begins is not where it is seen.
    assert.ok(total(own.filter(has('answer')), 'cpu') > 0.4 * total(own, 'cpu'), `worker ${worker}`);
  }
});

it('examples/fork.mjs forks, shows each step of the reset, and writes two profiles', async () => {
  const out = scratch();
  const { stdout, stderr } = await runOk(process.execPath, ['examples/fork.mjs', out], { deadlineMs: 300_000 });
  const pid = /^process (\d+) is the child; its profiler starts with [0-5] samples$/m.exec(stdout)?.[1];
  const steps = [...stderr.matchAll(/^PRONGHORN \d+: pid (\d+), generation 1: (.*)$/gm)];
  assert.ok(steps.every((step) => step[1] === pid), `${pid}\n${stderr}`);
  assert.equal(steps[0][2], 'hooks off: collector');
  assert.equal(steps.at(-1)[2], 'profiling');
  const names = (file) => new Set(readProfile(join(out, file)).samples.flatMap(({ stack }) => stack.map(({ name }) => name)));
  const [parent, child] = [names('parent.pb.gz'), names('child.pb.gz')];
  assert.deepEqual([parent.has('parentsWork'), parent.has('childsWork')], [true, false]);
  assert.deepEqual([child.has('parentsWork'), child.has('childsWork')], [false, true]);
});
