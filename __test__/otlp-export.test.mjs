// OTLP bodies as the exporter really sends them from a running program, with its resource, its labels and those of withLabels(): every rule of the format.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { launch } from './helpers/child.mjs';
import { startMisbehaving } from './helpers/misbehaving.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { assertRules, attributesOf, readRequest } from './helpers/otlp.mjs';
import { scratch } from './helpers/scratch.mjs';

const SOURCE = `const { start, withLabels } = await import(${JSON.stringify(join(root, 'dist/index.js'))});
const [url] = process.argv.slice(2);
const profiler = start({
  intervalMicros: 1_000,
  service: 'größe',
  labels: { region: 'eu', 'k8s.pod': 'p\\u00e9 1', 'service.name': 'theirs' },
  exporters: [{ type: 'otlp', ...(url === undefined ? {} : { url }), resource: { 'deployment.environment.name': 'test', 'host.name': 'mine' } }],
});
function hot(ms) { let x = 0; for (const end = process.cpuUsage().user + 1e3 * ms; process.cpuUsage().user < end;) for (let i = 0; i < 1e4; i++) x += i; return x; }
for (let period = 0; period < 2; period++) {
  withLabels({ route: '/users', 'tenant id': 'ü' }, () => hot(150));
  withLabels({ route: '/orders' }, () => hot(150));
  hot(50);
  if (period === 0) await profiler.rotate();
}
await profiler.stop();`;

async function exported(major, env, useUrl) {
  const server = await startMisbehaving({});
  try {
    const app = join(scratch(), 'app.mjs');
    writeFileSync(app, SOURCE);
    const { code, stderr } = await launch(nodePath(major), [app, ...(useUrl ? [`${server.url}/v1development/profiles`] : [])], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, ...env } }).done;
    assert.deepEqual([code, stderr], [0, '']);
    return server.requests;
  } finally {
    await server.stop();
  }
}

for (const major of majors) {
  describe(`OTLP as it is sent, Node ${major}`, { concurrency: 2 }, () => {
    for (const [how, env, isGzip, useUrl] of [
      ['by the variables', { OTEL_RESOURCE_ATTRIBUTES: 'team=a%2Cb,service.name=other' }, true, false],
      ['by a url, not compressed elsewhere', { OTEL_EXPORTER_OTLP_COMPRESSION: 'none', OTEL_RESOURCE_ATTRIBUTES: 'team=a%2Cb' }, true, true],
      ['not compressed', { OTEL_EXPORTER_OTLP_PROFILES_COMPRESSION: 'none', OTEL_RESOURCE_ATTRIBUTES: 'team=a%2Cb' }, false, false],
    ]) {
      it(`each body keeps every rule, and says whose it is: ${how} (Node ${major})`, async () => {
        const requests = await exported(major, env, useUrl);
        assert.equal(requests.length, 2);
        const ids = new Set();
        for (const { path, headers, body } of requests) {
          assert.deepEqual([path, headers['content-type'], headers['content-encoding']], ['/v1development/profiles', 'application/x-protobuf', isGzip ? 'gzip' : undefined]);
          const request = await readRequest(isGzip ? gunzipSync(body) : body);
          assertRules(request);
          const [{ resource, scopeProfiles: [{ profiles }] }] = request.resourceProfiles;
          const of = Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value[value.value]]));
          assert.equal(resource.attributes.length, Object.keys(of).length, 'no key twice');
          const { 'service.instance.id': instance, 'process.pid': pid, 'process.runtime.version': version, 'container.id': container, ...others } = of;
          assert.match(instance, /^[0-9a-f-]{36}$/);
          assert.match(String(version), new RegExp(`^${major}\\.`));
          assert.ok(pid > 0n || pid > 0);
          if (container !== undefined) assert.match(container, /^[0-9a-f]{64}$/);
          assert.deepEqual(others, { 'service.name': 'theirs', 'process.runtime.name': 'nodejs', 'host.name': 'mine', 'deployment.environment.name': 'test', team: 'a,b', region: 'eu', 'k8s.pod': 'pé 1' });
          assert.notEqual(of['host.name'], hostname());
          assert.equal(profiles.length, 3);
          const routes = new Map();
          for (const profile of profiles) {
            ids.add(profile.profileId);
            for (const { attributeIndices } of profile.samples) {
              const { route = '', 'tenant id': tenant, 'thread.name': thread } = attributesOf(request.dictionary, attributeIndices);
              assert.equal(typeof thread, 'string');
              routes.set(route, tenant);
            }
          }
          assert.deepEqual([...routes].sort(), [['', undefined], ['/orders', undefined], ['/users', 'ü']]);
        }
        assert.equal(ids.size, 6, 'each profile has an id of its own');
      });
    }
  });
}
