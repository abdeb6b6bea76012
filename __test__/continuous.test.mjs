// Continuous profiles of a cluster, pushed by the exporters to real servers and read back from them: the hot function, its labels and its values.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { join } from 'node:path';
import { startCollector } from './helpers/collector.mjs';
import { majors, root } from './helpers/nodes.mjs';
import { selector, startParca } from './helpers/parca.mjs';
import { startPyroscope } from './helpers/pyroscope.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { eventually } from './helpers/servers.mjs';

const TOKEN = 'only-for-servers-4711';
const PASSWORD = 'pass%word:x@y';

/** The CPU time of a function as its thread's clock has it, and as the samples have it. */
const LEAST = 0.9;
const near = (actual, expected, what) => assert.ok(actual > expected * LEAST && actual < expected * 1.1, `${what}: ${actual} of ${expected}`);

describe('continuous profiles of a cluster', { concurrency: 2 }, () => {
  let parca;
  let collector;
  let pyroscope;
  before(async () => {
    [parca, collector, pyroscope] = await Promise.all([startParca(), startCollector(), startPyroscope({ basic: `me:${PASSWORD}`, tenants: true, limits: { burstBytes: 1e9 } })]);
  });
  after(() => Promise.all([parca, collector, pyroscope].map((server) => server?.stop())));

  for (const major of majors) {
    it(`reach Parca, a collector and Pyroscope's stand-in whole (Node ${major})`, async () => {
      const service = `shop-${major}`;
      const env = {
        PRONGHORN_EXPORTERS: 'parca,otlp,pyroscope',
        PRONGHORN_PERIOD_MS: '1000',
        PRONGHORN_INTERVAL_MICROS: '2000',
        PRONGHORN_STOP_TIMEOUT_MS: '20000',
        PRONGHORN_SERVICE: service,
        PRONGHORN_LABELS: 'region=eu%2Dwest,k8s.pod=p-1',
        PRONGHORN_PARCA_URL: parca.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS: `X-Token=${TOKEN}`,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        PRONGHORN_PYROSCOPE_URL: pyroscope.url,
        PRONGHORN_PYROSCOPE_USER: 'me',
        PRONGHORN_PYROSCOPE_PASSWORD: PASSWORD,
        PRONGHORN_PYROSCOPE_TENANT: 'team',
        NODE_DEBUG: 'pronghorn',
      };
      const run = await runScenario('export-cluster', major, { ms: 2_500 }, { env, flags: ['--import', join(root, 'dist/register.js')], deadlineMs: 90_000 });
      for (const secret of [TOKEN, PASSWORD, encodeURIComponent(PASSWORD)]) assert.ok(!run.stderr.includes(secret), run.stderr);
      assert.ok(!/dropped|did not|pronghorn: /.test(run.stderr), run.stderr);
      const rotations = [...run.stderr.matchAll(/rotation: profile (\d+)/g)];
      assert.ok(rotations.length >= 3, run.stderr);
      assert.equal(run.workers.length, 2);

      for (const { id, pid, name, cpuNanos } of run.workers) {
        const labels = { job: service, cluster_worker_id: String(id), process_id: String(pid), region: 'eu-west', k8s_pod: 'p-1' };
        // Parca shows what it has taken a moment later.
        const top = await eventually(
          async () => {
            const found = await parca.top(selector('cpu', { labels }));
            const hot = found.functions.find((each) => each.name === name);
            if (hot === undefined || hot.cumulative < cpuNanos * LEAST) throw new Error(`${hot?.cumulative} of ${cpuNanos} ns; all: ${found.total}; ${run.stderr}`);
            return { ...found, hot };
          },
          { what: `${name} at Parca` },
        );
        near(top.hot.cumulative, cpuNanos, `${name} at Parca`);
        assert.match(top.hot.file, /export-cluster\.mjs$/);
        const other = name === 'workerOne' ? 'workerTwo' : 'workerOne';
        assert.ok(!top.functions.some((each) => each.name === other), `${other} in the profiles of ${name}`);
        // Count, too: Parca multiplies it by the period.
        assert.equal((await parca.top(selector('cpu', { labels: { ...labels, region: 'elsewhere' } }))).total, 0);

        const mine = (each) => each.resource['service.name'] === service && each.resource['process.pid'] === pid;
        const otlp = collector.profiles().filter((each) => mine(each) && each.sampleType === 'cpu/nanoseconds');
        assert.ok(otlp.length >= 2, `${otlp.length} profiles at the collector`);
        const cpu = otlp.flatMap(({ samples }) => samples).filter(({ stack }) => stack.some((frame) => frame.name === name));
        near(cpu.reduce((sum, { values }) => sum + values[0], 0), cpuNanos, `${name} at the collector`);
        for (const { resource } of otlp) {
          const { 'process.runtime.name': runtime, region, 'deployment.environment.name': deployment } = resource;
          assert.deepEqual([runtime, region, deployment], ['nodejs', 'eu-west', 'test']);
          assert.ok(resource['host.name'].length > 0 && resource['service.instance.id'].length > 0);
        }
        assert.ok(cpu.every(({ attributes }) => attributes['thread.name'] === 'main'));

        const pushes = pyroscope.pushes.filter((each) => each.application === service && each.labels.process_id === String(pid));
        assert.equal(pushes.length, otlp.length);
        assert.deepEqual([pushes[0].tenant, pushes[0].labels.region, pushes[0].labels.cluster_worker_id], ['team', 'eu-west', String(id)]);
        assert.ok(pushes.every(({ from, until }) => until > from));
      }
      assert.deepEqual(pyroscope.refusals, []);
      assert.ok(!JSON.stringify(collector.messages()).includes(TOKEN), 'a token in a profile');
      assert.ok((await parca.labelValues('cluster_worker_id')).every((value) => value === '1' || value === '2'));
    });
  }
});
