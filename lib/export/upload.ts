/**
 * One HTTP request with a body, over node:http or node:https with an agent of its own that keeps no connection.
 *
 * Not the global fetch(): it keeps sockets that nobody can reach, and a child of fork(2) would share them with its parent. Here every socket is
 * known: the reset of a child destroys those that its parent was using.
 *
 * Fork: a request of the parent's is abandoned in the child, its promise never settles there (whoever waits for it belongs to the parent, too), and its
 * socket is closed without a word to the server, which goes on talking to the parent.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { ForkComponent } from '../fork/component.js';
import { ExportError } from './exporter.js';

/** A request. */
export interface Upload {
  /** http: or https:. User and password in it are not sent. */
  readonly url: URL;
  readonly method: 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** From the first byte sent to the last received, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** What a server answered. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The beginning of the body, for error messages: printable, in one line. */
  readonly text: string;
}

/** Most of an answer that is read. */
const MAX_ANSWER_BYTES = 4_096;
/** Most of it that an error message shows. */
const SHOWN_CHARACTERS = 200;

/** The requests under way. */
let open = new Set<ClientRequest>();

/** In the fork chain: nothing of a parent's request goes on in its child. */
export const uploads: ForkComponent = {
  name: 'uploads',
  hooksOff(): void {
    // Their listeners hear of nothing but the sockets that the reset destroys.
  },
  resetAfterFork(): void {
    const inherited = open;
    open = new Set();
    for (const request of inherited) {
      request.removeAllListeners();
      // Destroying it is an error to some versions of Node.
      request.on('error', () => undefined);
      request.destroy();
    }
  },
};

/**
 * Sends it and waits for the answer, whatever its status.
 *
 * @throws ExportError that may be tried again, if there is no answer
 */
export function upload({ url, method, headers, body, timeoutMs, signal }: Upload): Promise<Answer> {
  const place = shown(url);
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted(place));
    const request = make(url, { method, headers: { ...headers, 'Content-Length': String(body.length) } });
    open.add(request);
    const timer = setTimeout(() => fail(`${place} did not answer within ${timeoutMs} ms`), timeoutMs).unref();
    const onAbort = (): void => fail(`the export to ${place} was given up`);
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      open.delete(request);
    };
    const fail = (message: string, cause?: unknown): void => {
      end();
      reject(new ExportError(message, { retry: true }, { cause }));
      request.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // A server may answer, and close, before it has read everything: the answer counts then.
    request.on('error', (error) => fail(`${place} cannot be reached: ${reasonOf(error)}`, error));
    request.on('response', (response) => {
      read(response).then(
        (text) => {
          end();
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], text });
          request.destroy();
        },
        (error: unknown) => fail(`${place} broke off its answer: ${reasonOf(error)}`, error),
      );
    });
    request.end(body);
  });
}

function make(url: URL, how: Pick<RequestOptions, 'method' | 'headers'>): ClientRequest {
  // Loaded here: most programs that import pronghorn upload nothing.
  const http = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const agent = new http.Agent({ keepAlive: false, maxSockets: 1 });
  // Of the URL only what a request needs: a password in it is not for headers.
  const { hostname, port, pathname, search, protocol } = url;
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const request = http.request({ protocol, hostname: host, port, path: `${pathname}${search}`, agent, ...how });
  // An upload does not keep the process alive; whoever waits for it does.
  request.on('socket', (socket) => socket.unref());
  return request;
}

/** The beginning of an answer's body. The rest is not waited for. */
async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length >= MAX_ANSWER_BYTES) break;
  }
  const text = Buffer.concat(chunks).toString('utf8', 0, MAX_ANSWER_BYTES);
  return text.replace(/[\p{C}\s]+/gu, ' ').trim().slice(0, SHOWN_CHARACTERS);
}

/** A URL without what is secret in it: user, password, and the query, where some services want a key. */
export function shown({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  // An AggregateError of several addresses has no message.
  return String(message || code || error);
}

function aborted(place: string): ExportError {
  return new ExportError(`the export to ${place} was given up`, { retry: true });
}
