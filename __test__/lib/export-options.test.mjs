// The options of continuous profiling, from a program and from the environment: defaults, what is refused, and that nothing secret is ever shown.
import assert from 'node:assert/strict';
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { createApi } from '../../build/lib/api.js';
import { readEnvironment } from '../../build/lib/environment.js';
import { otelDisabled, otelResource, otelTarget } from '../../build/lib/export/otel.js';
import { fromCgroup, fromMounts } from '../../build/lib/export/container.js';
import { resolveContinuous } from '../../build/lib/export/resolve.js';
import { variableOf } from '../../build/lib/export/variables.js';
import { selfSigned } from '../helpers/certificates.mjs';
import { fakeNative } from './fake-native.mjs';

const SECRET = 'hunter2-very-secret';
const url = 'http://127.0.0.1:1';
const resolve = (given, env = {}) => resolveContinuous(given, { env, encodeOtlp: async () => Buffer.alloc(0), hasThreadPool: () => true });
const refusal = (act) => {
  try {
    act();
  } catch (error) {
    assert.equal(error.code, 'ERR_PRONGHORN_INVALID_OPTION', error.stack);
    assert.ok(!inspect(error, { depth: 9 }).includes(SECRET), 'the secret is shown');
    return error;
  }
  return assert.fail('it was taken');
};

test('defaults', () => {
  const { exporters, key, problems, ...rest } = resolve({ exporters: [{ type: 'parca', url }] });
  assert.deepEqual(problems, []);
  assert.equal(exporters[0].name, 'parca');
  assert.ok(key.length > 0);
  assert.deepEqual(rest, {
    periodMs: 60_000, service: rest.service, labels: {}, limits: { maxProfiles: 60, maxBytes: 16_777_216, maxAgeMs: 3_600_000 }, stopTimeoutMs: 5_000,
  });
  assert.equal(resolve({}), undefined);
  assert.equal(resolve({ exporters: [] }), undefined);
});

test('the service: the option, OTEL_SERVICE_NAME, service.name, the program', () => {
  const service = (given, env) => resolve({ exporters: [{ type: 'parca', url }], ...given }, env).service;
  const env = { OTEL_SERVICE_NAME: 'named', OTEL_RESOURCE_ATTRIBUTES: 'service.name=attribute' };
  assert.equal(service({ service: 'given' }, env), 'given');
  assert.equal(service({}, env), 'named');
  assert.equal(service({}, { ...env, OTEL_SERVICE_NAME: '' }), 'attribute');
  assert.match(service({}, {}), /./);
});

test('what is refused names the option', () => {
  const server = { type: 'pyroscope', url };
  const cases = [
    [{ periodMs: 5_000 }, 'periodMs'],
    [{ exporters: 'file' }, 'exporters'],
    [{ exporters: [{}] }, 'exporters[0]'],
    [{ exporters: [{ type: 'datadog' }] }, 'exporters[0].type'],
    [{ exporters: [server], periodMs: 999 }, 'periodMs'],
    [{ exporters: [server], periodMs: 3_600_001 }, 'periodMs'],
    [{ exporters: [server], periodMs: 1_000.5 }, 'periodMs'],
    [{ exporters: [server], stopTimeoutMs: -1 }, 'stopTimeoutMs'],
    [{ exporters: [server], queue: { maxProfiles: 0 } }, 'queue.maxProfiles'],
    [{ exporters: [server], queue: { maxAgeMs: 10 } }, 'queue.maxAgeMs'],
    [{ exporters: [server], queue: { most: 1 } }, 'queue.most'],
    [{ exporters: [server], labels: { a: 1 } }, 'labels.a'],
    [{ exporters: [server], labels: { __name__: 'x' } }, 'labels'],
    [{ exporters: [server], service: '' }, 'service'],
    [{ exporters: [{ type: 'pyroscope' }] }, 'exporters[0].url'],
    [{ exporters: [{ type: 'file' }] }, 'exporters[0].directory'],
    [{ exporters: [{ type: 'file', directory: 'x', maxFiles: 0 }] }, 'exporters[0].maxFiles'],
    [{ exporters: [{ type: 'http', url, method: 'GET' }] }, 'exporters[0].method'],
    [{ exporters: [{ ...server, timeoutMs: 0 }] }, 'exporters[0].timeoutMs'],
    [{ exporters: [{ ...server, tokn: SECRET }] }, 'exporters[0].tokn'],
    [{ exporters: [{ ...server, bearerToken: `${SECRET}\n` }] }, 'exporters[0].bearerToken'],
    [{ exporters: [{ ...server, bearerToken: { token: SECRET } }] }, 'exporters[0].bearerToken'],
    [{ exporters: [{ ...server, headers: { 'X-Key': `${SECRET}\u0000` } }] }, 'exporters[0].headers.X-Key'],
    [{ exporters: [{ ...server, headers: { [SECRET + ' ']: 'x' } }] }, 'exporters[0].headers'],
    [{ exporters: [{ ...server, headers: SECRET }] }, 'exporters[0].headers'],
    [{ exporters: [{ ...server, headers: { Host: 'x' } }] }, 'exporters[0].headers.Host'],
    [{ exporters: [{ ...server, basicAuth: { user: 'a:b', password: SECRET } }] }, 'exporters[0].basicAuth.user'],
    [{ exporters: [{ ...server, basicAuth: { user: 'a' } }] }, 'exporters[0].basicAuth.password'],
    [{ exporters: [{ ...server, basicAuth: SECRET }] }, 'exporters[0].basicAuth'],
    [{ exporters: [{ ...server, basicAuth: { user: 'a', password: SECRET }, bearerToken: SECRET }] }, 'exporters[0].bearerToken'],
    [{ exporters: [{ ...server, basicAuth: { user: 'a', password: SECRET }, headers: { authorization: SECRET } }] }, 'exporters[0].headers.authorization'],
    [{ exporters: [{ ...server, bearerToken: SECRET, headers: { Authorization: SECRET } }] }, 'exporters[0].headers.Authorization'],
    [{ exporters: [{ ...server, url: `http://u:${SECRET}@host`, headers: { Authorization: SECRET } }] }, 'exporters[0].headers.Authorization'],
    [{ exporters: [{ ...server, headers: { 'content-type': 'text/plain' } }] }, 'exporters[0].headers.content-type'],
    [{ exporters: [{ ...server, headers: { 'Content-Encoding': 'br' } }] }, 'exporters[0].headers.Content-Encoding'],
    [{ exporters: [{ ...server, url: `htp://u:${SECRET}@host` }] }, 'exporters[0].url'],
    [{ exporters: [{ ...server, url: `http//u:${SECRET}@host` }] }, 'exporters[0].url'],
    [{ exporters: [{ ...server, url: `http://u:${SECRET}%zz@host` }] }, 'exporters[0].url'],
    [{ exporters: [`http://u:${SECRET}@host`] }, 'exporters[0]'],
    [{ exporters: `http://u:${SECRET}@host` }, 'exporters'],
  ];
  for (const [given, option] of cases) assert.equal(refusal(() => resolve(given)).option, option, JSON.stringify(given));
});

test('a secret that is no text is not shown either', () => {
  const number = 4711471147;
  const server = { type: 'http', url };
  const cases = [{ headers: { 'X-Key': number } }, { headers: { 'X-Key': BigInt(number) } }, { headers: number }, { basicAuth: { user: 'u', password: number } }, { basicAuth: { user: number, password: 'x' } }, { bearerToken: number }, { tenant: number }, { url: number }];
  for (const more of cases) for (const type of ['http', 'otlp']) assert.ok(!inspect(refusal(() => resolve({ exporters: [{ ...server, ...more, type }] })), { depth: 9 }).includes('4711'), JSON.stringify(Object.keys(more)));
});

test('start() takes them, shares a profiler with equal ones, and refuses others', () => {
  const { start, profile } = createApi(() => native);
  const native = fakeNative();
  const own = { name: 'own', send: async () => ({ bytes: 0 }) };
  own.circular = own;
  const options = () => ({ exporters: [{ type: 'parca', url, bearerToken: SECRET, headers: { b: '1', a: '2' } }, own], periodMs: 5_000 });
  const profiler = start(options());
  assert.equal(start({ periodMs: 5_000, exporters: [{ headers: { a: '2', b: '1' }, bearerToken: SECRET, url: new URL(url).href.slice(0, -1), type: 'parca' }, own] }), profiler);
  for (const other of [{ periodMs: 6_000 }, { exporters: [own] }, { exporters: [{ type: 'parca', url, bearerToken: 'other' }, own] }, { exporters: [options().exporters[0], { ...own }] }]) {
    assert.throws(() => start({ ...options(), ...other }), (error) => error.code === 'ERR_PRONGHORN_ALREADY_STARTED' && !inspect(error).includes(SECRET));
  }
  assert.ok(!inspect(profiler, { depth: 9, showHidden: true }).includes(SECRET));
  return assert.rejects(profile({ durationMs: 1, exporters: [own] }), { code: 'ERR_PRONGHORN_INVALID_OPTION' });
});

test('two exporters of one kind have two names', async () => {
  const { start } = createApi(() => fake);
  const fake = fakeNative();
  const profiler = start({ exporters: [{ type: 'parca', url }, { type: 'parca', url }, { type: 'file', directory: '/tmp/x' }] });
  assert.deepEqual(Object.keys(profiler.stats().exporters), ['parca', 'parca 2', 'file']);
});

test('OTEL_*: the addresses, the headers and the timeout of both kinds', () => {
  assert.deepEqual(otelTarget({}), { url: 'http://localhost:4318/v1development/profiles', headers: {}, gzip: true });
  assert.equal(otelTarget({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c:4318/base/' }).url, 'https://c:4318/base/v1development/profiles');
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://all',
    OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT: 'http://own/as/it/is',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=two%20words, c = x=y ',
    OTEL_EXPORTER_OTLP_PROFILES_HEADERS: 'a=own',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    OTEL_EXPORTER_OTLP_PROFILES_TIMEOUT: '700',
    OTEL_EXPORTER_OTLP_PROFILES_COMPRESSION: 'none',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_PROFILES_PROTOCOL: 'http/protobuf',
  };
  assert.deepEqual(otelTarget(env), { url: 'http://own/as/it/is', headers: { a: 'own', b: 'two words', c: 'x=y' }, timeoutMs: 700, gzip: false });
  assert.deepEqual(otelResource({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=x,deployment.environment.name=prod%2C1' }), { service: 'x', attributes: { 'deployment.environment.name': 'prod,1' }, problem: undefined });
  assert.equal(otelResource({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=x', OTEL_SERVICE_NAME: 'y' }).service, 'y');
});

test('OTEL_RESOURCE_ATTRIBUTES with an error in it is discarded as a whole, and reported: profiling goes on', (t) => {
  for (const value of ['discount=100%', 'a=1,broken', '=x', `a=%zz${SECRET}`]) {
    const env = { OTEL_RESOURCE_ATTRIBUTES: `service.name=shop,${value}` };
    assert.deepEqual(otelResource(env).attributes, {});
    const { service, problems, exporters } = resolve({ exporters: [{ type: 'otlp' }] }, env);
    assert.notEqual(service, 'shop');
    assert.deepEqual([problems.length, exporters.length], [1, 1]);
    assert.match(problems[0], /^OTEL_RESOURCE_ATTRIBUTES is ignored: /);
    assert.ok(!problems[0].includes(SECRET));
  }
  assert.equal(resolve({ exporters: [{ type: 'otlp' }] }, { OTEL_RESOURCE_ATTRIBUTES: 'discount=100%', OTEL_SERVICE_NAME: 'named' }).service, 'named');
  // Said where it starts, once.
  const lines = said(t);
  const { start } = createApi(() => native);
  const native = fakeNative();
  process.env['OTEL_RESOURCE_ATTRIBUTES'] = 'discount=100%';
  t.after(() => delete process.env['OTEL_RESOURCE_ATTRIBUTES']);
  const options = { exporters: [{ type: 'otlp', url }] };
  assert.equal(start(options), start(options));
  assert.deepEqual(lines, ['pronghorn: OTEL_RESOURCE_ATTRIBUTES is ignored: it must be a list key=value,key=value with percent-encoded values\n']);
});

/** What is written to standard error by us. */
function said(t) {
  const lines = [];
  t.mock.method(fs, 'writeSync', (fd, text) => (assert.equal(fd, 2), lines.push(text)));
  syncBuiltinESMExports();
  t.after(() => (t.mock.restoreAll(), syncBuiltinESMExports()));
  return lines;
}

test('OTEL_SDK_DISABLED: nothing goes to OpenTelemetry, the others go on', () => {
  for (const [value, off] of [['true', true], [' TRUE ', true], ['false', false], ['1', false], ['', false], [undefined, false]]) {
    const env = value === undefined ? {} : { OTEL_SDK_DISABLED: value };
    assert.equal(otelDisabled(env), off, value);
    const { exporters, problems } = resolve({ exporters: [{ type: 'otlp' }, { type: 'parca', url }] }, env);
    assert.deepEqual(exporters.map(({ name }) => name), off ? ['parca'] : ['otlp', 'parca']);
    assert.deepEqual(problems, off ? ['the otlp exporter sends nothing, since OTEL_SDK_DISABLED is true'] : []);
  }
  assert.deepEqual(resolve({ exporters: [{ type: 'parca', url }] }, { OTEL_SDK_DISABLED: 'true' }).problems, []);
});

test('the id of a container, from what the kernel shows of it', () => {
  const id = '0123456789abcdef'.repeat(4);
  const groups = [`12:pids:/docker/${id}\n0::/`, `0::/system.slice/docker-${id}.scope`, `1:name=systemd:/kubepods.slice/kubepods-pod1.slice/cri-containerd-${id}.scope`, `0::/kubepods/burstable/pod4b1d0bd5-7a33/${id}`, `0::/machine.slice/libpod-${id}.scope`];
  for (const text of groups) assert.equal(fromCgroup(text), id, text);
  const mounts = [`700 650 254:1 /docker/containers/${id}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw`, `700 650 254:1 /var/lib/docker/containers/${id}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda1 rw`, `1 2 0:3 /containers/overlay-containers/${id}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw`];
  for (const text of mounts) assert.equal(fromMounts(text), id, text);
  for (const text of ['', '0::/', '4:memory:/process_api/d24c249ed3eee3ba85b38771665905ed', '0::/user.slice/user-1000.slice', `0::/docker/${id}/init.scope/x`]) assert.equal(fromCgroup(text), undefined, text);
  // A sandbox of a pod, which all of its containers share.
  assert.equal(fromMounts(`1 2 0:3 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${id}/hostname /etc/hostname rw - ext4 x rw`), undefined);
});

test('what a server would refuse with each profile is refused at the start', () => {
  const labels = (count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, 'x']));
  const cases = [
    [{ labels: { 'a.b': '1', a_b: '2' } }, 'labels', ['pyroscope', 'parca']],
    [{ labels: { 'é': '1', 'ü': '2' } }, 'labels', ['pyroscope', 'parca']],
    [{ labels: labels(24) }, 'labels', ['pyroscope']],
    [{ periodMs: 3_600_000 }, 'periodMs', ['pyroscope']],
    [{ labels: labels(23), periodMs: 3_540_000 }, undefined, []],
  ];
  for (const [given, option, types] of cases) {
    for (const type of ['pyroscope', 'parca', 'http', 'otlp']) {
      const all = { exporters: [{ type, url }], ...given };
      if (types.includes(type)) assert.equal(refusal(() => resolve(all)).option, option, type);
      else resolve(all);
    }
  }
});

test('half a character is refused at the start, wherever it stands', () => {
  const half = 'a\ud800';
  const cases = [
    [{ exporters: [{ type: 'http', url }], service: half }, 'service'],
    [{ exporters: [{ type: 'http', url }], labels: { a: half } }, 'labels.a'],
    [{ exporters: [{ type: 'http', url }], labels: { [half]: 'a' } }, 'labels'],
    [{ exporters: [{ type: 'otlp', url, resource: { a: half } }] }, 'exporters[0].resource.a'],
    [{ exporters: [{ type: 'http', url, tenant: half }] }, 'exporters[0].tenant'],
    [{ exporters: [{ type: 'http', url, basicAuth: { user: half, password: 'x' } }] }, 'exporters[0].basicAuth.user'],
    [{ exporters: [{ type: 'file', directory: half }] }, 'exporters[0].directory'],
  ];
  for (const [given, option] of cases) assert.equal(refusal(() => resolve(given)).option, option);
  resolve({ exporters: [{ type: 'http', url }], service: '\ud83d\ude00' });
});

test('OTEL_*: what cannot be is said, and shows no secret', () => {
  const cases = [
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL', /is "grpc", and pronghorn speaks http\/protobuf only/],
    [{ OTEL_EXPORTER_OTLP_PROFILES_PROTOCOL: 'http/json' }, 'OTEL_EXPORTER_OTLP_PROFILES_PROTOCOL', /"http\/json"/],
    [{ OTEL_EXPORTER_OTLP_TIMEOUT: '10s' }, 'OTEL_EXPORTER_OTLP_TIMEOUT', /milliseconds/],
    [{ OTEL_EXPORTER_OTLP_HEADERS: SECRET }, 'OTEL_EXPORTER_OTLP_HEADERS', /key=value/],
    [{ OTEL_EXPORTER_OTLP_PROFILES_HEADERS: `a=%zz${SECRET}` }, 'OTEL_EXPORTER_OTLP_PROFILES_HEADERS', /percent-encoded/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: `u:${SECRET}@h` }, 'OTEL_EXPORTER_OTLP_ENDPOINT', /http: or https:/],
    [{ OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' }, 'OTEL_EXPORTER_OTLP_COMPRESSION', /gzip or none/],
  ];
  for (const [env, option, message] of cases) {
    const error = refusal(() => resolve({ exporters: [{ type: 'otlp' }] }, env));
    assert.equal(error.option, option);
    assert.match(error.message, message);
    // An address of its own: nothing of the variables counts.
    resolve({ exporters: [{ type: 'otlp', url }] }, env);
  }
});

test('certificates: files that cannot be used are refused by name, before anything begins, and none of a key is shown', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pronghorn-pem-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [one, other] = [selfSigned(folder, 'one'), selfSigned(folder, 'other')];
  const file = (name, text) => (writeFileSync(join(folder, name), text), join(folder, name));
  const words = file('words.pem', SECRET);
  const broken = file('broken.pem', `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----\n`);
  const https = (more) => resolve({ exporters: [{ type: 'http', url: 'https://127.0.0.1:1', ...more }] });
  https({ caFile: one.certFile, clientCertificateFile: other.certFile, clientKeyFile: other.keyFile });
  const cases = [
    [{ caFile: join(folder, 'none') }, 'caFile', /must be a file with a certificate in PEM; .*none is not: ENOENT/],
    [{ caFile: folder }, 'caFile', /is not: EISDIR/],
    [{ caFile: words }, 'caFile', /words\.pem is not: it holds none/],
    [{ caFile: one.keyFile }, 'caFile', /it holds none/],
    [{ caFile: broken }, 'caFile', /must be a file with a certificate in PEM; .*broken\.pem is not: /],
    [{ caFile: '' }, 'caFile', /a string that is not empty/],
    [{ caFile: 1 }, 'caFile', /a string that is not empty/],
    [{ clientCertificateFile: one.certFile }, 'clientKeyFile', /must be set where exporters\[0\]\.clientCertificateFile is/],
    [{ clientKeyFile: one.keyFile }, 'clientCertificateFile', /must be set where exporters\[0\]\.clientKeyFile is/],
    [{ clientCertificateFile: one.certFile, clientKeyFile: other.keyFile }, 'clientKeyFile', /must be the key of the client certificate, not encrypted; /],
    [{ clientCertificateFile: one.certFile, clientKeyFile: one.certFile }, 'clientKeyFile', /a file with a private key in PEM/],
    [{ caFile: one.certFile, url }, 'caFile', /absent where the URL is not an https: one/],
  ];
  for (const [more, option, message] of cases) {
    const error = refusal(() => https(more));
    assert.deepEqual([error.option, message.test(error.message)], [`exporters[0].${option}`, true], error.message);
  }
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://127.0.0.1:1', OTEL_EXPORTER_OTLP_CERTIFICATE: one.certFile, OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE: other.certFile };
  assert.equal(otelTarget(env).caFile, other.certFile);
  assert.equal(otelTarget({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE: '/nowhere' }).caFile, undefined);
  assert.equal(refusal(() => otelTarget({ ...env, OTEL_EXPORTER_OTLP_CLIENT_KEY: words })).option, 'OTEL_EXPORTER_OTLP_CLIENT_KEY');
  assert.match(refusal(() => otelTarget({ ...env, OTEL_EXPORTER_OTLP_CLIENT_KEY: one.keyFile })).message, /^OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE must be set where OTEL_EXPORTER_OTLP_CLIENT_KEY is/);
  // With an address of its own, none of what the variables say counts.
  assert.equal(resolve({ exporters: [{ type: 'otlp', url: 'https://127.0.0.1:1' }] }, { OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere' }).exporters[0].name, 'otlp');
});

test('PRONGHORN_*: each exporter with its own variables', () => {
  const env = {
    PRONGHORN_OUTPUT_DIR: '/out',
    PRONGHORN_EXPORTERS: 'file, pyroscope,parca,otlp,http',
    PRONGHORN_PERIOD_MS: '5000',
    PRONGHORN_SERVICE: 'shop',
    PRONGHORN_LABELS: 'region=eu,note=a%2Cb',
    PRONGHORN_STOP_TIMEOUT_MS: '100',
    PRONGHORN_QUEUE_MAX_PROFILES: '4',
    PRONGHORN_FILE_MAX_FILES: '9',
    PRONGHORN_PYROSCOPE_URL: 'https://p/',
    PRONGHORN_PYROSCOPE_USER: 'me',
    PRONGHORN_PYROSCOPE_PASSWORD: SECRET,
    PRONGHORN_PYROSCOPE_TENANT: 'team',
    PRONGHORN_PARCA_TOKEN: SECRET,
    PRONGHORN_PARCA_TIMEOUT_MS: '700',
    PRONGHORN_HTTP_URL: 'http://h/',
    PRONGHORN_HTTP_METHOD: 'PUT',
    PRONGHORN_HTTP_HEADERS: 'X-Key=a%20b',
    PRONGHORN_INTERVAL_MICROS: '2000',
  };
  const { outputDirectory, options } = readEnvironment(env);
  assert.equal(outputDirectory, '/out');
  assert.deepEqual(options, {
    intervalMicros: 2_000,
    exporters: [
      { type: 'file', directory: '/out', maxFiles: 9 },
      { type: 'pyroscope', url: 'https://p/', basicAuth: { user: 'me', password: SECRET }, tenant: 'team' },
      { type: 'parca', url: 'http://localhost:7070', bearerToken: SECRET, timeoutMs: 700 },
      { type: 'otlp' },
      { type: 'http', url: 'http://h/', headers: { 'X-Key': 'a b' }, method: 'PUT' },
    ],
    periodMs: 5_000,
    service: 'shop',
    labels: { region: 'eu', note: 'a,b' },
    queue: { maxProfiles: 4 },
    stopTimeoutMs: 100,
  });
  resolve(options, env);
  assert.deepEqual(readEnvironment({ PRONGHORN_EXPORTERS: '', PRONGHORN_OUTPUT_DIR: '/out' }).options, {});
});

test('PRONGHORN_*: what cannot be names the variable, and shows no secret', () => {
  const cases = [
    [{ PRONGHORN_EXPORTERS: 'file,datadog' }, 'PRONGHORN_EXPORTERS', /must be a list of file, pyroscope.*it is "datadog"/],
    [{ PRONGHORN_EXPORTERS: `https://me:${SECRET}@host` }, 'PRONGHORN_EXPORTERS', /must be a list of file, pyroscope.*\(hidden\)/],
    [{ PRONGHORN_EXPORTERS: 'parca', PRONGHORN_PARCA_METHOD: 'PUT' }, 'PRONGHORN_PARCA_METHOD', /only PRONGHORN_HTTP_METHOD/],
    [{ PRONGHORN_EXPORTERS: 'otlp', PRONGHORN_OTLP_METHOD: 'PUT' }, 'PRONGHORN_OTLP_METHOD', /PRONGHORN_HTTP_METHOD/],
    [{ PRONGHORN_PARCA_URL: url }, 'PRONGHORN_PARCA_URL', /no effect without PRONGHORN_EXPORTERS/],
    [{ PRONGHORN_PERIOD_MS: '5000' }, 'PRONGHORN_PERIOD_MS', /no effect without/],
    [{ PRONGHORN_EXPORTERS: 'http' }, 'PRONGHORN_HTTP_URL', /must be/],
    [{ PRONGHORN_EXPORTERS: 'file', PRONGHORN_PERIOD_MS: '5s' }, 'PRONGHORN_PERIOD_MS', /integer/],
    [{ PRONGHORN_EXPORTERS: 'parca', PRONGHORN_PARCA_PASSWORD: SECRET }, 'PRONGHORN_PARCA_USER', /set where/],
    [{ PRONGHORN_EXPORTERS: 'parca', PRONGHORN_PARCA_HEADERS: SECRET }, 'PRONGHORN_PARCA_HEADERS', /key=value/],
    [{ PRONGHORN_EXPORTERS: 'parca', PRONGHORN_PARCA_TOKN: SECRET }, 'PRONGHORN_PARCA_TOKN', /did you mean PRONGHORN_PARCA_TOKEN/],
  ];
  for (const [env, option, message] of cases) {
    const error = refusal(() => readEnvironment(env));
    assert.equal(error.option, option);
    assert.match(error.message, message);
  }
  const env = { PRONGHORN_EXPORTERS: 'file,pyroscope' };
  for (const [path, name] of [['exporters[1].url', 'PRONGHORN_PYROSCOPE_URL'], ['exporters[1].basicAuth.password', 'PRONGHORN_PYROSCOPE_PASSWORD'], ['exporters[1].headers.X-A', 'PRONGHORN_PYROSCOPE_HEADERS'], ['exporters[0].maxFiles', 'PRONGHORN_FILE_MAX_FILES'], ['labels.a', 'PRONGHORN_LABELS'], ['periodMs', 'PRONGHORN_PERIOD_MS'], ['queue.maxBytes', 'PRONGHORN_QUEUE_MAX_BYTES'], ['OTEL_X', 'OTEL_X']]) {
    assert.equal(variableOf(path, env), name);
  }
});

test('what Kubernetes sets for services of our name is nobody’s slip', () => {
  const env = {};
  for (const service of ['PRONGHORN', 'PRONGHORN_PARCA', 'PRONGHORN_HTTP', 'PRONGHORN_OTLP', 'PRONGHORN_FILE']) {
    Object.assign(env, {
      [`${service}_SERVICE_HOST`]: '10.0.0.1', [`${service}_SERVICE_PORT`]: '80', [`${service}_SERVICE_PORT_HTTP`]: '80', [`${service}_PORT`]: 'tcp://10.0.0.1:80',
      [`${service}_PORT_80_TCP`]: 'tcp://10.0.0.1:80', [`${service}_PORT_80_TCP_PROTO`]: 'tcp', [`${service}_PORT_80_TCP_PORT`]: '80', [`${service}_PORT_80_TCP_ADDR`]: '10.0.0.1',
    });
  }
  assert.deepEqual(readEnvironment(env).options, {});
});
