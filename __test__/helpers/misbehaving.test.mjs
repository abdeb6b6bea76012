// The misbehaving server, seen by a plain HTTP client.
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startMisbehaving } from './misbehaving.mjs';
import { request } from './servers.mjs';

describe('the misbehaving server', () => {
  let server;
  before(async () => (server = await startMisbehaving()));
  after(() => server.stop());

  const push = (options = {}) => request(`${server.url}/push?a=1`, { method: 'POST', body: 'hello', deadlineMs: 5_000, ...options });
  const failure = (promise) =>
    promise.then(
      () => assert.fail('it was answered'),
      (error) => (error.name === 'TimeoutError' ? error.name : (error.cause?.code ?? error.code ?? error.name)),
    );
  const last = () => server.requests.at(-1);

  it('answers with the statuses it is told, one after the other, and then stays with the last', async () => {
    server.behave({ status: 500, body: 'no' }, { status: 413 }, { status: 204 });
    const statuses = [];
    for (let index = 0; index < 4; index++) statuses.push((await push()).status);
    assert.deepEqual(statuses, [500, 413, 204, 204]);
  });

  it('keeps what it was asked', async () => {
    server.behave({});
    await push({ headers: { 'x-of-test': 'yes' } });
    const { method, path, headers, body, bodyBytes, complete, aborted, at, answered } = last();
    assert.deepEqual([method, path, headers['x-of-test'], body.toString(), bodyBytes, complete, aborted], ['POST', '/push?a=1', 'yes', 'hello', 5, true, false]);
    assert.ok(at <= answered && answered <= performance.now(), `${at} ${answered}`);
  });

  it('says when to come back, in seconds and as a date', async () => {
    const date = new Date(Date.now() + 5_000);
    server.behave({ status: 429, retryAfter: 7 }, { status: 503, retryAfter: date });
    assert.equal((await push()).headers.get('retry-after'), '7');
    const text = (await push()).headers.get('retry-after');
    assert.match(text, / GMT$/);
    assert.equal(Date.parse(text), Math.floor(date.getTime() / 1000) * 1000);
  });

  it('is slow to answer', async () => {
    server.behave({ delayMs: 300, body: 'late' });
    const began = performance.now();
    assert.equal((await push()).text, 'late');
    assert.ok(performance.now() - began >= 299);
  });

  it('is slow while it answers', async () => {
    server.behave({ kind: 'trickle', body: 'drop by drop', everyMs: 20 });
    const began = performance.now();
    assert.equal((await push()).text, 'drop by drop');
    assert.ok(performance.now() - began >= 11 * 19);
  });

  it('never answers', async () => {
    server.behave({ kind: 'hang' });
    assert.equal(await failure(push({ deadlineMs: 200 })), 'TimeoutError');
    assert.equal(last().complete, true);
    assert.equal(last().answered, undefined);
  });

  it('never sends the body that its headers announced', async () => {
    server.behave({ kind: 'hang', after: 'headers', status: 202 });
    let status;
    const code = await failure(
      fetch(server.url, { signal: AbortSignal.timeout(300) }).then((response) => {
        ({ status } = response);
        return response.text();
      }),
    );
    assert.deepEqual([status, code], [202, 'TimeoutError']);
  });

  it('never reads the body', async () => {
    server.behave({ kind: 'unread' });
    assert.equal(await failure(push({ body: Buffer.alloc(64 * 1024 * 1024), deadlineMs: 400 })), 'TimeoutError');
    assert.deepEqual([last().complete, last().bodyBytes], [false, 0]);
  });

  for (const [moment, status] of [['request'], ['headers', 200], ['half', 200]]) {
    it(`closes the connection after the ${moment}`, async () => {
      server.behave({ kind: 'close', after: moment });
      // fetch would hide how far it came.
      const seen = await new Promise((resolve) => {
        const client = get(server.url, (response) => {
          let bytes = 0;
          response.on('data', (chunk) => (bytes += chunk.length));
          response.on('error', (error) => resolve({ status: response.statusCode, bytes, code: error.code }));
        });
        client.on('error', (error) => resolve({ code: error.code }));
        client.setTimeout(5_000, () => resolve({ code: 'none' }));
      });
      assert.deepEqual(seen, status === undefined ? { code: 'ECONNRESET' } : { status, bytes: moment === 'half' ? 500 : 0, code: 'ECONNRESET' });
    });
  }

  it('closes the connection while the request is still coming', async () => {
    server.behave({ kind: 'close', after: 'bytes', bytes: 100_000 });
    await failure(push({ body: Buffer.alloc(64 * 1024 * 1024) }));
    assert.equal(last().complete, false);
    assert.ok(last().bodyBytes >= 100_000 && last().bodyBytes < 64 * 1024 * 1024, `${last().bodyBytes}`);
  });

  it('floods', async () => {
    server.behave({ kind: 'flood', bytes: 8 * 1024 * 1024 });
    assert.equal((await push()).text.length, 8 * 1024 * 1024);
    server.behave({ kind: 'flood' });
    const response = await fetch(server.url, { signal: AbortSignal.timeout(5_000) });
    let bytes = 0;
    for await (const chunk of response.body) if ((bytes += chunk.length) > 1_000_000) break;
    server.behave({});
    assert.equal((await push()).status, 200);
  });

  it('answers what is no HTTP', async () => {
    server.behave({ kind: 'garbage' });
    assert.match(await failure(push()), /^(HPE_|UND_ERR|ECONNRESET|SocketError)/);
  });

  it('is down, and comes back at the same address', async () => {
    server.behave({});
    await server.refuse();
    assert.equal(server.connections(), 0);
    assert.equal(await failure(push()), 'ECONNREFUSED');
    await server.listen();
    assert.equal((await push()).status, 200);
  });

  it('waits for requests', async () => {
    const count = server.requests.length;
    const waiting = server.received(server.requests.filter(({ complete }) => complete).length + 1);
    await push();
    await waiting;
    assert.equal(server.requests.length, count + 1);
    await assert.rejects(server.received(10_000, 50), /10000 requests: not within 50 ms/);
  });
});
