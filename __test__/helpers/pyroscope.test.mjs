// The local stand-in for Pyroscope: what it takes, and each of its refusals. Every refusal differs in one thing from a push that is taken.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Function, Label, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format';
import { LIMITS, startPyroscope } from './pyroscope.mjs';
import { request } from './servers.mjs';

/** A small valid profile. */
function profile({
  types = [['samples', 'count'], ['cpu', 'nanoseconds'], ['wall', 'nanoseconds']],
  timeMs = Date.now(),
  samples = 1,
  depth = 1,
  labels = 1,
  locationId = 1,
  functionId = 1,
  name = 'hot',
} = {}) {
  const stringTable = new StringTable();
  const text = (string) => stringTable.dedup(string);
  const value = types.map((_, index) => 10 * (index + 1));
  return new Profile({
    stringTable,
    sampleType: types.map(([type, unit]) => new ValueType({ type: text(type), unit: text(unit) })),
    sample: Array.from(
      { length: samples },
      () =>
        new Sample({
          locationId: Array.from({ length: depth }, () => 1),
          value,
          label: Array.from({ length: labels }, (_, index) => new Label({ key: text(`label ${index}`), num: index + 1 })),
        }),
    ),
    location: [new Location({ id: locationId, line: [new Line({ functionId: 1, line: 3 })] })],
    function: [new Function({ id: functionId, name: text(name), filename: text('/app/hot.js') })],
    timeNanos: BigInt(Math.round(timeMs)) * 1_000_000n,
    durationNanos: 1_000_000_000n,
  });
}

const bytesOf = (changes) => gzipSync(profile(changes).encode());

function form(parts) {
  const body = new FormData();
  for (const [name, bytes] of Object.entries(parts)) body.set(name, new Blob([bytes]), name);
  return body;
}

const APPLICATION = 'shop.web{region=eu,version=1.2}';

/** Pushes to a server; without more than that it is a valid push. */
function push(server, { name = APPLICATION, query = {}, body = form({ profile: bytesOf() }), headers = {}, path = '/ingest', method = 'POST' } = {}) {
  const from = Math.floor(Date.now() / 1000) - 10;
  const parameters = new URLSearchParams({ name, from, until: from + 10, spyName: 'nodespy', sampleRate: 100, ...query });
  return request(`${server.url}${path}?${parameters}`, { method, body: method === 'GET' ? undefined : body, headers });
}

describe('the stand-in for Pyroscope', () => {
  let server;
  before(async () => (server = await startPyroscope({ limits: { burstBytes: 1e9, bytesPerSecond: 1e9 } })));
  after(() => server.stop());

  it('takes a multipart push', async () => {
    const answer = await push(server);
    assert.deepEqual([answer.status, answer.text], [200, '']);
    const { application, labels, metric, spyName, sampleRate, until, from, profile: seen, depthsCut } = server.pushes.at(-1);
    assert.deepEqual(
      { application, labels, metric, spyName, sampleRate, seconds: until - from, depthsCut },
      { application: 'shop.web', labels: { region: 'eu', version: '1.2' }, metric: 'wall', spyName: 'nodespy', sampleRate: 100, seconds: 10, depthsCut: 0 },
    );
    assert.deepEqual(seen.sample[0].value.map(Number), [10, 20, 30]);
  });

  const accepted = {
    'a profile without gzip': { body: form({ profile: profile().encode() }) },
    'format=pprof with the bare profile': { query: { format: 'pprof' }, body: bytesOf() },
    'a sample_type_config': { body: form({ profile: bytesOf(), sample_type_config: '{"cpu":{"units":"nanoseconds"}}' }) },
    'a name without labels': { name: 'shop' },
    'as many samples as are allowed': { body: form({ profile: bytesOf({ samples: LIMITS.samples }) }) },
    'as many labels of a sample as are allowed': { body: form({ profile: bytesOf({ labels: LIMITS.labelsOfSample }) }) },
    'as many label names as are allowed': { name: `shop{${Array.from({ length: LIMITS.labelNames - 4 }, (_, index) => `l${index}=1`).join(',')}}` },
    'a profile of 59 minutes ago': { body: form({ profile: bytesOf({ timeMs: Date.now() - 59 * 60_000 }) }) },
    'a profile of 9 minutes ahead': { body: form({ profile: bytesOf({ timeMs: Date.now() + 9 * 60_000 }) }) },
  };
  for (const [what, options] of Object.entries(accepted)) {
    it(`takes ${what}`, async () => {
      const held = server.pushes.length;
      const answer = await push(server, options);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(server.pushes.length, held + 1);
      assert.equal(server.pushes.at(-1).profile.sampleType.length, 3);
    });
  }

  it('names the series after its sample types', async () => {
    const metric = async (...types) => {
      const answer = await push(server, { body: form({ profile: bytesOf({ types }) }) });
      assert.equal(answer.status, 200, answer.text);
      return server.pushes.at(-1).metric;
    };
    assert.equal(await metric(['samples', 'count'], ['cpu', 'nanoseconds']), 'process_cpu');
    assert.equal(await metric(['cpu', 'nanoseconds'], ['wall', 'nanoseconds']), 'wall');
    assert.equal(await metric(['cpu', 'nanoseconds'], ['wall_time', 'nanoseconds']), 'process_cpu');
  });

  it('cuts stacks at 1000 frames', async () => {
    assert.equal((await push(server, { body: form({ profile: bytesOf({ depth: 1001 }) }) })).status, 200);
    assert.equal(server.pushes.at(-1).depthsCut, 1);
    assert.equal(server.pushes.at(-1).profile.sample[0].locationId.length, 1000);
  });

  it('takes a form without a profile, and nothing comes of it', async () => {
    assert.equal((await push(server, { body: form({ other: 'x' }) })).status, 200);
    assert.equal(server.pushes.at(-1).profile, undefined);
  });

  const invalidUtf8 = () => {
    const bytes = Buffer.from(profile({ name: 'hXt' }).encode());
    bytes[bytes.indexOf('hXt') + 1] = 0xff;
    return form({ profile: gzipSync(bytes) });
  };
  const whole = () => Buffer.from(profile().encode());
  const refused = {
    'a push without a name': [{ name: '' }, 400, 'invalid_argument', /^name: service name is required$/],
    'a character in the name': [{ name: 'shop web' }, 400, 'invalid_argument', /^name: invalid service name: .*character is not allowed/],
    'a character in a label name': [{ name: 'shop{a-b=1}' }, 400, 'invalid_argument', /^name: invalid label name: a-b/],
    'a label without a name': [{ name: 'shop{=1}' }, 400, 'invalid_argument', /^name: label name is required$/],
    'too many label names': [
      { name: `shop{${Array.from({ length: LIMITS.labelNames - 3 }, (_, index) => `l${index}=1`).join(',')}}` },
      422,
      'unknown',
      /has 31 label names; limit 30$/,
    ],
    'a label value that is too long': [{ name: `shop{a=${'x'.repeat(2049)}}` }, 422, 'unknown', /label value too long/],
    'a multipart body with format=pprof': [{ query: { format: 'pprof' } }, 422, 'unknown', /parsing IngestInput-pprof failed/],
    'a bare profile without a format': [{ body: bytesOf() }, 422, 'unknown', /multipart/],
    'a form that is none': [{ body: 'nothing', headers: { 'content-type': 'multipart/form-data; boundary=x' } }, 422, 'unknown', /multipart form/],
    prev_profile: [{ body: form({ profile: bytesOf(), prev_profile: bytesOf() }) }, 422, 'unknown', /unsupported client version/],
    'a sample_type_config that is no JSON': [{ body: form({ profile: bytesOf(), sample_type_config: '{' }) }, 422, 'unknown', /JSON/],
    'bytes that are no pprof': [{ body: form({ profile: 'no pprof' }) }, 422, 'unknown', /parsing IngestInput-pprof failed/],
    'half a pprof': [{ body: form({ profile: whole().subarray(0, whole().length - 20) }) }, 422, 'unknown', /unexpected EOF/],
    'half a gzip': [{ body: form({ profile: bytesOf().subarray(0, 60) }) }, 422, 'unknown', /parsing IngestInput-pprof failed/],
    'invalid UTF-8': [{ body: invalidUtf8() }, 422, 'unknown', /invalid utf8 string hex: 68ff74/],
    'a sample type with a hyphen': [{ body: form({ profile: bytesOf({ types: [['cpu-time', 'nanoseconds']] }) }) }, 422, 'unknown', /sample type contains -$/],
    'a profile without a sample type': [{ body: form({ profile: bytesOf({ types: [] }) }) }, 422, 'unknown', /invalid metric name$/],
    'the location id 0': [{ body: form({ profile: bytesOf({ locationId: 0 }) }) }, 422, 'unknown', /location id is 0$/],
    'the function id 0': [{ body: form({ profile: bytesOf({ functionId: 0 }) }) }, 422, 'unknown', /function id is 0$/],
    'a sample too many': [
      { body: form({ profile: bytesOf({ samples: LIMITS.samples + 1 }) }) },
      422,
      'unknown',
      /max_profile_stacktrace_samples, actual: 16001, limit: 16000\)$/,
    ],
    'a label of a sample too many': [
      { body: form({ profile: bytesOf({ labels: LIMITS.labelsOfSample + 1 }) }) },
      422,
      'unknown',
      /max_profile_stacktrace_sample_labels, actual: 101, limit: 100\)$/,
    ],
    'more than 4 MiB': [{ body: form({ profile: bytesOf({ name: 'x'.repeat(LIMITS.profileBytes) }) }) }, 422, 'unknown', /max_profile_size_byte, actual: \d+, limit: 4194304\)$/],
    'a profile of 61 minutes ago': [{ body: form({ profile: bytesOf({ timeMs: Date.now() - 61 * 60_000 }) }) }, 422, 'unknown', /outside of ingestion window/],
    'a profile of 11 minutes ahead': [{ body: form({ profile: bytesOf({ timeMs: Date.now() + 11 * 60_000 }) }) }, 422, 'unknown', /outside of ingestion window/],
  };
  for (const [what, [options, status, code, message]] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      const held = server.pushes.length;
      const answer = await push(server, options);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.headers.get('content-type'), /^application\/json/);
      const json = answer.json();
      assert.deepEqual(Object.keys(json), ['code', 'message']);
      assert.equal(json.code, code);
      assert.match(json.message, message);
      assert.equal(server.pushes.length, held, 'nothing of it is kept');
      assert.deepEqual(server.refusals.at(-1), { status, message: json.message });
    });
  }

  it('knows no other path and no other method', async () => {
    assert.equal((await push(server, { path: '/' })).status, 404);
    assert.equal((await push(server, { method: 'GET' })).status, 405);
  });

  it('refuses a body that is too large', async () => {
    const small = await startPyroscope({ limits: { bodyBytes: 1000 } });
    const answer = await push(small, { body: form({ profile: Buffer.alloc(1001) }) });
    assert.deepEqual([answer.status, answer.json().code], [413, 'invalid_argument']);
    assert.match(answer.json().message, /^request body too large/);
    assert.equal((await push(small)).status, 200);
    await small.stop();
  });

  it('refuses more than its rate, tenant by tenant, until there is room again', async () => {
    const { length } = profile().encode();
    let time = 0;
    const slow = await startPyroscope({ limits: { burstBytes: Math.round(2.5 * length), bytesPerSecond: 4 * length }, now: () => time });
    const statuses = [];
    for (let index = 0; index < 3; index++) statuses.push((await push(slow)).status);
    assert.deepEqual(statuses, [200, 200, 429]);
    assert.equal((await push(slow, { headers: { 'x-scope-orgid': 'other' } })).status, 200);
    const answer = await push(slow);
    assert.deepEqual([answer.status, answer.json().code], [429, 'resource_exhausted']);
    assert.match(answer.json().message, /^push rate limit .* exceeded while adding/);
    time += 200;
    assert.equal((await push(slow)).status, 200);
    await slow.stop();
  });

  it('asks for a tenant', async () => {
    const shared = await startPyroscope({ tenants: true });
    const answer = await push(shared);
    assert.deepEqual([answer.status, answer.text], [401, 'no org id\n']);
    assert.equal((await push(shared, { headers: { 'X-Scope-OrgID': 'team-1' } })).status, 200);
    assert.equal(shared.pushes[0].tenant, 'team-1');
    await shared.stop();
  });

  for (const [kind, settings, right] of [
    ['Basic', { basic: 'user:secret' }, `Basic ${Buffer.from('user:secret').toString('base64')}`],
    ['Bearer', { bearer: 'secret' }, 'Bearer secret'],
  ]) {
    it(`stands behind a proxy that asks for ${kind}`, async () => {
      const guarded = await startPyroscope(settings);
      const answer = await push(guarded, { headers: { authorization: `${kind} wrong` } });
      assert.deepEqual([answer.status, answer.headers.get('www-authenticate')], [401, kind]);
      assert.equal((await push(guarded)).status, 401);
      assert.equal((await push(guarded, { headers: { authorization: right } })).status, 200);
      await guarded.stop();
    });
  }
});
