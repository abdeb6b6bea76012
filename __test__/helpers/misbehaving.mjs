// A server on 127.0.0.1 that misbehaves as a test tells it to, and keeps what it was asked.
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { eventually } from './servers.mjs';

/**
 * What to do with a request. Without `kind` it is answered.
 *
 * - `answer` (`status`, `headers`, `body`, `retryAfter`: seconds, or a Date, which is sent as an HTTP date; `delayMs` before it is sent)
 * - `trickle`: the same answer, byte by byte, one every `everyMs`
 * - `unread`: never reads the request's body, and never answers
 * - `hang`: reads the request and never answers; with `after: 'headers'` once the headers are sent
 * - `close`: ends the connection: `after: 'request'`, with no answer; `'headers'`; `'half'` of the body that the headers announced; or `'bytes'`, when
 *   so many `bytes` of the request's body have come
 * - `flood`: an answer whose body goes on until the client has had enough, or for `bytes`
 * - `garbage`: bytes that are no HTTP
 *
 * @typedef {{ kind?: 'answer' | 'trickle' | 'unread' | 'hang' | 'close' | 'flood' | 'garbage', status?: number, headers?: Record<string, string>,
 *   body?: string | Uint8Array, retryAfter?: number | Date, delayMs?: number, everyMs?: number, after?: 'request' | 'headers' | 'half' | 'bytes', bytes?: number }} Behaviour
 */

const FLOOD = 256 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
/** How much of each request's body is kept. */
const KEPT = 16 * 1024 * 1024;

/**
 * Starts it.
 *
 * - `behave(...behaviours)`: one for each request to come; the last one holds for all after it
 * - `requests`: `{ method, path, headers, body, bodyBytes, at, complete, aborted, answered }`, in the order of their coming; `at` is performance.now() when their
 *   headers were there, `complete` says that the whole body came, `aborted` that the client went away, `answered` when the answer was sent
 * - `received(count)`: waits until so many requests have come whole
 * - `refuse()`: nobody listens any more, and all connections are cut; `listen()`: somebody does again, at the same port
 * - `connections()`: how many are open
 * - `stop()`
 */
export function startMisbehaving(...behaviours) {
  return startWith(undefined, behaviours);
}

/** The same over HTTPS; `tls` has its `key` and `cert`. */
export function startMisbehavingTls(tls, ...behaviours) {
  return startWith(tls, behaviours);
}

async function startWith(tls, behaviours) {
  const sockets = new Set();
  const requests = [];
  const timers = new Set();
  let queue = behaviours.length > 0 ? behaviours : [{}];
  let server;
  let port = 0;

  const later = (work, ms) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
  };

  const onRequest = (request, response) => {
    const behaviour = queue.length > 1 ? queue.shift() : queue[0];
    const { method, url: path, headers } = request;
    const record = { method, path, headers, body: Buffer.alloc(0), bodyBytes: 0, at: performance.now(), complete: false, aborted: false, answered: undefined };
    requests.push(record);
    response.on('finish', () => (record.answered = performance.now()));
    response.on('close', () => (record.aborted ||= !response.writableFinished && !record.cut));
    response.on('error', () => {});
    request.on('error', () => {});
    if (behaviour.kind === 'unread') return;

    const chunks = [];
    request.on('data', (chunk) => {
      record.bodyBytes += chunk.length;
      if (record.bodyBytes <= KEPT) chunks.push(chunk);
      if (behaviour.kind === 'close' && behaviour.after === 'bytes' && record.bodyBytes >= (behaviour.bytes ?? 1)) cut(record, request.socket);
    });
    request.on('end', () => {
      record.complete = true;
      record.body = Buffer.concat(chunks);
      later(() => act(behaviour, record, request, response), behaviour.delayMs ?? 0);
    });
  };

  const cut = (record, socket) => {
    record.cut = true;
    socket.destroy();
  };

  const act = (behaviour, record, request, response) => {
    const { kind = 'answer', status = 200, retryAfter, after, everyMs = 20 } = behaviour;
    const body = Buffer.from(behaviour.body ?? '');
    const headers = { ...behaviour.headers };
    if (retryAfter !== undefined) headers['retry-after'] = retryAfter instanceof Date ? retryAfter.toUTCString() : String(retryAfter);

    if (kind === 'answer') {
      response.writeHead(status, { 'content-length': body.length, ...headers });
      response.end(body);
    } else if (kind === 'trickle') {
      response.writeHead(status, { 'content-length': body.length, ...headers });
      response.flushHeaders();
      let sent = 0;
      const next = () => {
        if (response.destroyed) return;
        if (sent === body.length) return response.end();
        response.write(body.subarray(sent, ++sent));
        later(next, everyMs);
      };
      next();
    } else if (kind === 'hang') {
      if (after === 'headers') {
        response.writeHead(status, { 'content-length': 1000, ...headers });
        response.flushHeaders();
      }
    } else if (kind === 'close') {
      if (after === 'headers' || after === 'half') {
        const announced = body.length > 0 ? body : CHUNK.subarray(0, 1000);
        response.writeHead(status, { 'content-length': announced.length, ...headers });
        response.flushHeaders();
        if (after === 'half') response.write(announced.subarray(0, announced.length / 2));
        // Late enough for what was written to be on its way.
        later(() => cut(record, request.socket), 30);
      } else cut(record, request.socket);
    } else if (kind === 'flood') {
      let left = behaviour.bytes ?? FLOOD;
      response.writeHead(status, headers);
      const pour = () => {
        while (left > 0 && !response.destroyed) {
          left -= CHUNK.length;
          if (!response.write(CHUNK)) return response.once('drain', pour);
        }
        return response.end();
      };
      pour();
    } else if (kind === 'garbage') {
      request.socket.end('\u0000\u0001 this is no HTTP\r\n\r\n');
    } else throw new Error(`no behaviour is called ${kind}`);
  };

  const listen = () =>
    new Promise((resolve, reject) => {
      const options = { keepAlive: true, requestTimeout: 0, headersTimeout: 0 };
      server = tls === undefined ? createServer(options, onRequest) : createTlsServer({ ...options, ...tls }, onRequest);
      server.on('tlsClientError', () => {});
      server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
      });
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        ({ port } = server.address());
        resolve();
      });
    });
  const refuse = async () => {
    const closed = [new Promise((resolve) => server.close(resolve))];
    for (const socket of sockets) {
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.destroy();
    }
    await Promise.all(closed);
  };

  await listen();
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    requests,
    listen,
    refuse,
    behave: (...next) => (queue = next),
    connections: () => sockets.size,
    received: (count, deadlineMs = 10_000) =>
      eventually(() => requests.filter(({ complete }) => complete).length >= count, { deadlineMs, what: `${count} requests`, everyMs: 5 }),
    async stop() {
      for (const timer of timers) clearTimeout(timer);
      if (server.listening) await refuse();
    },
  };
}
