// Single uploads and the exporters over HTTP, against a server that misbehaves: what counts as arrived, what is tried again, and what is told of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer } from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { ExportError } from '../../build/lib/export/exporter.js';
import { HttpExporter } from '../../build/lib/export/http.js';
import { OtlpExporter } from '../../build/lib/export/otlp.js';
import { ParcaExporter } from '../../build/lib/export/parca.js';
import { ExportQueue } from '../../build/lib/export/queue.js';
import { PyroscopeExporter } from '../../build/lib/export/pyroscope.js';
import { Secrets } from '../../build/lib/export/secrets.js';
import { base64Slices, slices } from '../../build/lib/export/slices.js';
import { timeOf } from '../../build/lib/time.js';
import { eventually, freePort } from '../helpers/servers.mjs';
import { buildProfile } from './build-profile.mjs';
import { startMisbehaving } from '../helpers/misbehaving.mjs';
import { startPyroscope } from '../helpers/pyroscope.mjs';

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

/** A server of bare sockets: `act` once the first bytes of a request are there. */
async function bare(t, act) {
  const place = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => act(socket));
  });
  await new Promise((resolve) => place.listen(0, '127.0.0.1', resolve));
  t.after(() => place.close());
  return `http://127.0.0.1:${place.address().port}`;
}

test('a server that answers before it has read the body, and closes the connection: its answer decides', async (t) => {
  for (const status of [200, 401, 413, 503]) {
    // As plain Node servers do.
    const place = createServer((_request, response) => {
      response.statusCode = status;
      response.end('no');
    });
    await new Promise((resolve) => place.listen(0, '127.0.0.1', resolve));
    t.after(() => (place.close(), place.closeAllConnections()));
    for (const bytes of [10_000, 100_000, 200_000, 300_000, 1_000_000, 8_000_000]) {
      const sent = http(`http://127.0.0.1:${place.address().port}`).send(report(bytes), never());
      if (status === 200) assert.deepEqual(await sent, { bytes, status });
      else assert.deepEqual(await failure(sent).then((error) => [error.status, error.retry]), [status, status === 503], `${status} ${bytes}`);
    }
  }
});

test('so it does where the answer breaks off, or the connection is reset behind it', async (t) => {
  const head = (length) => `HTTP/1.1 413 Too Large\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\ntoo large`;
  const acts = {
    'the answer, then a reset': (socket) => (socket.pause(), socket.write(head(9)), setTimeout(() => socket.resetAndDestroy(), 50)),
    'half the answer, then a reset': (socket) => (socket.pause(), socket.write(head(900)), setTimeout(() => socket.resetAndDestroy(), 50)),
    'half the answer, then an end': (socket) => (socket.pause(), socket.write(head(900)), setTimeout(() => socket.end(), 50)),
  };
  for (const [what, act] of Object.entries(acts)) {
    const url = await bare(t, act);
    for (const bytes of [1_000, 300_000, 8_000_000]) {
      const error = await failure(http(url).send(report(bytes), never()));
      assert.deepEqual([error.status, error.retry], [413, false], `${what}, ${bytes}`);
    }
  }
});

test('a change of the protocol that nobody has asked for is a refusal, at once', async (t) => {
  const url = await bare(t, (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'));
  assert.deepEqual(await failure(http(url, { timeoutMs: 3_600_000 }).send(report(10), never())).then(({ status, retry }) => [status, retry]), [101, false]);
});

for (const attempts of ['one', 'two']) {
  test(`an upload does not keep the process alive, also where ${attempts} address${attempts === 'one' ? '' : 'es'} had to be tried`, async (t) => {
    const place = await server(t, { kind: 'hang' });
    const source = `import dns from 'node:dns';
const addresses = [${attempts === 'two' ? "{ address: '127.0.0.2', family: 4 }, " : ''}{ address: '127.0.0.1', family: 4 }];
dns.lookup = (_host, _options, done) => setImmediate(() => done(null, addresses));
const { HttpExporter } = await import(${JSON.stringify(new URL('../../build/lib/export/http.js', import.meta.url).href)});
const exporter = new HttpExporter({ url: new URL('http://name.test:${place.port}'), headers: {}, timeoutMs: 3_600_000, method: 'POST' });
exporter.send({ profile: { data: Buffer.alloc(10), sequence: 0, processId: 1, runtimeId: 'x', startTime: new Date(), endTime: new Date() }, service: 's', labels: {} }, new AbortController().signal).catch(console.log);
// Until the request is there.
process.once('message', () => process.disconnect());`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    t.after(() => child.kill('SIGKILL'));
    await place.received(1);
    const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
    child.send('go');
    assert.equal(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 15_000, 'it lives on').unref())]), 0);
  });
}

test('a collector that goes down and comes back: what was made meanwhile arrives, in order, once', async (t) => {
  const place = await server(t, {});
  const time = { ...timeOf({ resetAfterFork: () => false }), random: () => 0.05 };
  const heard = [];
  const queue = new ExportQueue({ exporter: http(place.url), place: 'http', limits: { maxProfiles: 60, maxBytes: 1e9, maxAgeMs: 3_600_000 }, keepsLeft: false, time, join: () => () => undefined });
  const push = (sequence) => queue.push({ ...report(50_000), profile: { ...report(50_000).profile, sequence } });
  const listener = ({ outcome, profile: { sequence } }) => heard.push(`${sequence} ${outcome}`);
  subscribe('pronghorn:export', listener);
  t.after(() => unsubscribe('pronghorn:export', listener));
  push(0);
  // Answered, too: a collector that goes down before that gets it again.
  await eventually(() => queue.stats().exported === 1, { deadlineMs: 20_000, what: 'the first to be there' });
  await place.refuse();
  for (const sequence of [1, 2, 3]) push(sequence);
  await eventually(() => queue.stats().failures >= 3, { deadlineMs: 20_000, what: 'three failures' });
  await place.listen();
  await eventually(() => queue.stats().waiting === 0, { deadlineMs: 30_000, what: 'nothing that waits' });
  assert.deepEqual(place.requests.map(({ headers }) => headers['x-pronghorn-sequence']), ['0', '1', '2', '3']);
  assert.deepEqual(heard.filter((line) => line.endsWith('exported')), ['0 exported', '1 exported', '2 exported', '3 exported']);
  assert.deepEqual([queue.stats().exported, queue.stats().dropped], [4, 0]);
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

test('OTLP: a partial success is one however long its reason is', async (t) => {
  const varint = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...varint(number >> 7)]);
  const field = (key, bytes) => Buffer.from([key, ...varint(bytes.length), ...bytes]);
  for (const length of [5_000, 60_000, 70_000, 2_000_000]) {
    const body = field(0x0a, Buffer.concat([Buffer.from([0x08, 3]), field(0x12, Buffer.alloc(length, 'e'))]));
    const place = await server(t, { body });
    const error = await failure(new OtlpExporter({ ...settings(place.url), resource: {}, gzip: false }, async (data) => data).send(report(10), never()));
    assert.match(error.message, length < 65_000 ? /has not taken all of it: 3 profiles rejected: eee/ : /has not taken all of it: the reason is longer than 65,536 bytes/);
    assert.deepEqual([error.retry, error.status, error.message.length < 400], [false, 200, true]);
  }
  for (const body of ['words '.repeat(20_000), '\n<html>']) {
    const place = await server(t, { body });
    assert.equal((await new OtlpExporter({ ...settings(place.url), resource: {}, gzip: false }, async (data) => data).send(report(10), never())).status, 200);
  }
});

test('what a server repeats of credentials that stand in a header, or in a query, is not shown either', async (t) => {
  const password = 'pass:word/+é';
  const basic = Buffer.from(`someone:${password}`).toString('base64');
  const cases = [
    [{ headers: { Authorization: 'Bearer geheim4711token' } }, '', ['geheim4711token']],
    [{ headers: { authorization: `Basic ${basic}` } }, '', [basic, password, 'someone', `someone:${password}`]],
    [{ headers: { 'X-Api-Key': 'Token   geheim4711' } }, '', ['geheim4711']],
    [{ headers: { Cookie: 'a=geheim4711geheim; session=session4711session' } }, '', ['geheim4711geheim', 'session4711session']],
    [{ basicAuth: { user: 'someone', password } }, '', [basic, password, `someone:${password}`]],
    [{}, '?key=p@ss!+w(ord)~x', ['p@ss! w(ord)~x', 'p@ss!+w(ord)~x', 'p%40ss%21+w%28ord%29%7Ex', 'p%40ss!%20w(ord)~x']],
    [{}, '?key=ab%2fcd%2Fef', ['ab%2fcd%2fef', 'ab%2Fcd%2Fef', 'ab/cd/ef', 'ab%2fcd%2Fef']],
    [{}, '?key=ab%2fcd%2Fef%e4', ['ab%2fcd%2Fef%e4']],
  ];
  const place = await server(t);
  for (const [how, query, secrets] of cases) {
    for (const secret of secrets) {
      place.behave({ status: 401, body: `no: ${secret}, really` });
      for (const exporter of [http(`${place.url}/${query}`, how), new PyroscopeExporter(settings(`${place.url}/${query}`, how))]) {
        const { message } = await failure(exporter.send(report(10), never()));
        assert.match(message, /: no: \*\*\*, really$/, `${secret} ${JSON.stringify(how)}`);
      }
    }
    // As the request has them.
    place.behave({ status: 401, body: 'x' });
    await failure(new PyroscopeExporter(settings(`${place.url}/${query}`, how)).send(report(10), never()));
    const { path, headers } = place.requests.at(-1);
    place.behave({ status: 401, body: `${path.replace(/&name=.*/, '')} ${headers.authorization ?? ''}` });
    const { message } = await failure(new PyroscopeExporter(settings(`${place.url}/${query}`, how)).send(report(10), never()));
    for (const secret of secrets) assert.ok(!message.includes(secret), message);
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

test('a server that asks for a token or a password takes who has it, and nobody else is tried again', async (t) => {
  const data = buildProfile({ stacks: [{ stack: ['work /a.js:1'], values: [1, 10, 10] }], timeNanos: BigInt(Date.now() - 1_000) * 1_000_000n, periodType: ['cpu', 'nanoseconds'], period: 1e6 });
  const one = report();
  const whole = { ...one, profile: { ...one.profile, data, startTimeNanos: BigInt(Date.now() - 1_000) * 1_000_000n, endTimeNanos: BigInt(Date.now()) * 1_000_000n } };
  for (const [guard, right, wrong] of [
    [{ bearer: 'only-for-servers-4711' }, { bearerToken: 'only-for-servers-4711' }, { bearerToken: 'another' }],
    [{ bearer: 'only-for-servers-4711' }, { headers: { authorization: 'Bearer only-for-servers-4711' } }, {}],
    [{ basic: 'me:pass%word:x@y' }, { basicAuth: { user: 'me', password: 'pass%word:x@y' } }, { basicAuth: { user: 'me', password: 'other' } }],
  ]) {
    const place = await startPyroscope(guard);
    t.after(() => place.stop());
    const error = await failure(new PyroscopeExporter(settings(place.url, wrong)).send(whole, never()));
    assert.deepEqual([error.status, error.retry, place.pushes.length], [401, false, 0]);
    assert.equal((await new PyroscopeExporter(settings(place.url, right)).send(whole, never())).status, 200);
    assert.equal(place.pushes.length, 1);
  }
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
