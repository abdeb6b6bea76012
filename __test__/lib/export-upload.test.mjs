// Single uploads and the exporters over HTTP, against a server that misbehaves: what counts as arrived, what is tried again, and what is told of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { ExportError } from '../../build/lib/export/exporter.js';
import { HttpExporter } from '../../build/lib/export/http.js';
import { OtlpExporter } from '../../build/lib/export/otlp.js';
import { ParcaExporter } from '../../build/lib/export/parca.js';
import { PyroscopeExporter } from '../../build/lib/export/pyroscope.js';
import { Secrets } from '../../build/lib/export/secrets.js';
import { base64Slices, slices } from '../../build/lib/export/slices.js';
import { freePort } from '../helpers/servers.mjs';
import { startMisbehaving } from '../helpers/misbehaving.mjs';

const report = (bytes = 300_000) => ({
  profile: { data: Buffer.alloc(bytes, 'p'), sequence: 3, processId: 42, runtimeId: 'run-time', startTime: new Date(0), endTime: new Date(1_000), startTimeNanos: 0n, endTimeNanos: 1_000_000_000n },
  service: 'shop',
  labels: { region: 'eu', 'k8s.pod': 'a b' },
});
const settings = (url, more = {}) => ({ url: new URL(url), headers: {}, timeoutMs: 5_000, ...more });
const never = () => new AbortController().signal;
const failure = (promise) => promise.then(() => assert.fail('it has arrived'), (error) => (assert.ok(error instanceof ExportError, error.stack), error));

async function server(t, ...behaviours) {
  const one = await startMisbehaving(...behaviours);
  t.after(() => one.stop());
  return one;
}

const http = (url, more) => new HttpExporter({ ...settings(url, more), method: 'PUT' });

test('http: the pprof is the body, the metadata stand in headers, and nothing stays open', async (t) => {
  const place = await server(t, { status: 201 });
  assert.deepEqual(await http(`${place.url}/in/here?key=1`).send(report(), never()), { bytes: 300_000, status: 201 });
  const [{ method, path, headers, body }] = place.requests;
  assert.deepEqual([method, path, body.equals(report().profile.data)], ['PUT', '/in/here?key=1', true]);
  assert.deepEqual([headers['x-pronghorn-service'], headers['x-pronghorn-sequence'], headers['content-length'], headers.connection], ['shop', '3', '300000', 'close']);
  assert.equal(headers['x-pronghorn-labels'], 'region=eu&k8s.pod=a+b');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(place.connections(), 0);
});

test('which answers are tried again', async (t) => {
  const place = await server(t);
  const otlp = (url) => new OtlpExporter({ ...settings(url), resource: {}, gzip: true }, async (data) => data);
  const cases = [
    [[400, 401, 403, 404, 408, 413, 422, 301], false, false],
    [[429, 502, 503, 504], true, true],
    [[500, 501, 505], true, false],
  ];
  for (const [statuses, others, ofOtlp] of cases) {
    for (const status of statuses) {
      place.behave({ status, body: 'because' });
      for (const [exporter, expected] of [[http(place.url), others], [otlp(place.url), ofOtlp]]) {
        const error = await failure(exporter.send(report(10), never()));
        assert.deepEqual([error.status, error.retry, error.code], [status, expected, 'ERR_PRONGHORN_EXPORT_FAILED'], `${exporter.name} ${status}`);
        assert.match(error.message, new RegExp(`answered ${status} to a body of 10 bytes: because$`));
        assert.equal(error.bytes, 10);
      }
    }
  }
});

test('Retry-After arrives as milliseconds', async (t) => {
  const place = await server(t, { status: 429, retryAfter: 7 }, { status: 503, retryAfter: new Date(Date.now() + 3_600_000) }, { status: 503, headers: { 'retry-after': 'later' } });
  const waits = [];
  for (let index = 0; index < 3; index++) waits.push((await failure(http(place.url).send(report(10), never()))).retryAfterMs);
  assert.equal(waits[0], 7_000);
  assert.ok(waits[1] > 3_500_000 && waits[1] <= 3_600_000, `${waits[1]}`);
  assert.equal(waits[2], undefined);
});

test('a server that is down, hangs, does not read, breaks off or speaks no HTTP is tried again', async (t) => {
  const place = await server(t);
  const short = (url) => http(url, { timeoutMs: 300 });
  const behaviours = {
    hang: { kind: 'hang' },
    'hang after headers': { kind: 'hang', after: 'headers' },
    unread: { kind: 'unread' },
    'closed after the request': { kind: 'close', after: 'request' },
    'closed while it is sent': { kind: 'close', after: 'bytes', bytes: 1 },
    'closed after the headers': { kind: 'close', after: 'headers' },
    'closed in the middle of the answer': { kind: 'close', after: 'half' },
    garbage: { kind: 'garbage' },
  };
  for (const [what, behaviour] of Object.entries(behaviours)) {
    place.behave(behaviour);
    const error = await failure(short(place.url).send(report(8_000_000), never()));
    assert.equal(error.retry, true, what);
    assert.equal(error.status, undefined, what);
  }
  const error = await failure(short(`http://127.0.0.1:${await freePort()}`).send(report(), never()));
  assert.deepEqual([error.retry, error.cause.code], [true, 'ECONNREFUSED']);
  const nowhere = await failure(short('http://nowhere.invalid').send(report(), never()));
  assert.equal(nowhere.retry, true);
});

test('a refusal counts also where its words do not arrive, or never end', async (t) => {
  const place = await server(t, { kind: 'close', after: 'half', status: 400 }, { kind: 'flood', status: 413 }, { kind: 'trickle', status: 200, body: 'fine', everyMs: 5 });
  assert.deepEqual(await failure(http(place.url).send(report(), never())).then(({ status, retry }) => [status, retry]), [400, false]);
  assert.deepEqual(await failure(http(place.url).send(report(), never())).then(({ status, retry }) => [status, retry]), [413, false]);
  assert.deepEqual(await http(place.url).send(report(), never()), { bytes: 300_000, status: 200 });
});

test('an attempt that is aborted ends at once', async (t) => {
  const place = await server(t, { kind: 'hang' });
  const controller = new AbortController();
  const sent = failure(http(place.url, { timeoutMs: 60_000 }).send(report(), controller.signal));
  await place.received(1);
  controller.abort();
  assert.match((await sent).message, /was given up/);
  assert.match((await failure(http(place.url).send(report(), controller.signal))).message, /was given up/);
  assert.equal(place.requests.length, 1);
});

test('an event loop that stands still for longer than the timeout does not lose an answer that has come meanwhile', async (t) => {
  const program = `const { createServer } = require('node:http'); createServer((q, s) => q.resume().on('end', () => s.end())).listen(0, '127.0.0.1', function () { process.send(this.address().port); })`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  t.after(() => child.kill());
  const port = await new Promise((resolve) => child.once('message', resolve));
  const sent = http(`http://127.0.0.1:${port}`, { timeoutMs: 700 }).send(report(10), never());
  // Until the request is on its way.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const end = performance.now() + 1_500; performance.now() < end; );
  assert.equal((await sent).status, 200);
});

test('OTLP: a partial success is reported and not tried again; what is no such message is none', async (t) => {
  const text = Buffer.from('too large');
  const partial = (rejected) => Buffer.from([0x08, rejected, 0x12, text.length, ...text]);
  const answers = [
    [Buffer.from([0x0a, partial(2).length, ...partial(2)]), /has not taken all of it: 2 profiles rejected: too large/],
    [Buffer.from([0x0a, partial(0).length, ...partial(0)]), undefined],
    [Buffer.alloc(0), undefined],
    [Buffer.from('OK'), undefined],
  ];
  for (const [body, expected] of answers) {
    const place = await server(t, { body });
    const exporter = new OtlpExporter({ ...settings(place.url), resource: {}, gzip: false }, async (data) => data);
    const outcome = await exporter.send(report(10), never()).catch((error) => error);
    if (expected === undefined) assert.equal(outcome.status, 200, String(outcome));
    else {
      assert.match(outcome.message, expected);
      assert.equal(outcome.retry, false);
    }
  }
});

test('what a server repeats of our secrets is not shown', async (t) => {
  const secrets = ['tok-en/+%41', 'pass word"1', 'header-secret', 'query-secret'];
  const [token, password, header, query] = secrets;
  const basic = Buffer.from(`user:${password}`).toString('base64');
  const place = await server(t);
  const words = ['x'.repeat(180), ...secrets, ...secrets.map(encodeURIComponent), JSON.stringify(password), basic, Buffer.from(token).toString('base64')];
  for (const filler of [0, 150, 190, 197]) {
    place.behave({ status: 400, body: `${'x'.repeat(filler)} ${words.slice(1).join(' ')} ${token.slice(0, 8)}` });
    for (const how of [{ bearerToken: token }, { basicAuth: { user: 'user', password } }, { headers: { 'X-Key': header } }]) {
      const all = { ...how, headers: { 'X-Key': header, ...how.headers } };
      const { message } = await failure(http(`${place.url}/?k=${query}`, all).send(report(10), never()));
      const own = [header, query, ...(how.bearerToken ? [token] : []), ...(how.basicAuth ? [password, basic] : [])];
      for (const secret of own) assert.ok(!message.includes(secret) && !message.includes(secret.slice(0, 6)), message);
    }
  }
});

test('secrets: forms, beginnings that were cut off, and short ones', () => {
  const hidden = new Secrets(['s3cr3t-value', 'abc', undefined, '']);
  assert.equal(hidden.hideIn('you sent s3cr3t-value, and s3cr3t-va'), 'you sent ***, and');
  assert.equal(hidden.hideIn('you sent abc'), '');
  assert.equal(hidden.hideIn('  nothing\n\u0000 of it '), 'nothing of it');
  assert.equal(hidden.hideIn('x'.repeat(500)).length, 200);
});

test('parca: one series with the labels of the process, and the profile whole', async (t) => {
  const place = await server(t);
  const exporter = new ParcaExporter(settings(place.url));
  const one = report(1_000_001);
  one.profile.data = Buffer.from(one.profile.data.map((_, index) => (index * 31) % 251));
  one.labels = { ...one.labels, __name__: 'stolen', job: 'mine', 'k8s-pod': 'c' };
  await exporter.send(one, never());
  const { series } = JSON.parse(place.requests[0].body);
  assert.equal(series.length, 1);
  const labels = Object.fromEntries(series[0].labels.labels.map(({ name, value }) => [name, value]));
  assert.equal(series[0].labels.labels.length, Object.keys(labels).length, 'no name twice');
  assert.deepEqual(labels, { job: 'mine', process_id: '42', runtime_id: 'run-time', region: 'eu', k8s_pod: 'c', _name__: 'stolen', __name__: 'pronghorn' });
  assert.ok(Buffer.from(series[0].samples[0].rawProfile, 'base64').equals(one.profile.data));
  assert.equal(place.requests[0].path, '/api/profiles/writeraw');
});

test('pyroscope: the series, the seconds, and the form', async (t) => {
  const place = await server(t);
  await new PyroscopeExporter(settings(`${place.url}/base/`, { tenant: 'me' })).send({ ...report(), service: 'shop{a="b"}' }, never());
  const [{ path, headers, body }] = place.requests;
  const url = new URL(path, place.url);
  assert.equal(url.pathname, '/base/ingest');
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    name: 'shop_a__b__{process_id=42,runtime_id=run-time,region=eu,k8s_pod=a b}', from: '0', until: '1', spyName: 'pronghorn',
  });
  assert.equal(headers['x-scope-orgid'], 'me');
  assert.ok(body.includes('name="profile"') && body.length > 300_000);
});

test('large bodies come in slices, and the event loop has its turn between those that are encoded', async () => {
  const data = Buffer.alloc(1_000_000, 'x');
  assert.ok(slices(data).every(({ length }) => length <= 200_000));
  assert.ok(Buffer.concat(slices(data)).equals(data));
  let turns = 0;
  const count = () => (turns += 1, again = setImmediate(count));
  let again = setImmediate(count);
  const encoded = await base64Slices(data);
  clearImmediate(again);
  assert.ok(turns >= 4, `${turns} turns`);
  assert.ok(Buffer.from(Buffer.concat(encoded).toString(), 'base64').equals(data));
});

test('IPv6, and addresses without a port', async (t) => {
  const place = createServer((request, response) => request.resume().on('end', () => response.end(request.headers.host)));
  const listening = await new Promise((resolve) => place.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true)));
  if (!listening) return t.skip('no IPv6 here');
  t.after(() => place.close());
  const { port } = place.address();
  assert.equal((await http(`http://[::1]:${port}/`).send(report(), never())).status, 200);
  return undefined;
});
