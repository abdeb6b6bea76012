/**
 * One HTTP request with a body, over node:http or node:https with an agent of its own that keeps no connection.
 *
 * Not the global fetch(): it keeps sockets that nobody can reach, and a child of fork(2) would share them with its parent. Here every socket is
 * known: the reset of a child destroys those that its parent was using.
 *
 * Fork: a request of the parent's is abandoned in the child, its promise never settles there (whoever waits for it belongs to the parent, too), and its
 * socket is closed without a word to the server, which goes on talking to the parent. Timers, immediates and ticks of the parent's may come in the child before
 * that; so whatever acts on a request asks first whose it is.
 */
import type http from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type https from 'node:https';
import type { SecureContext } from 'node:tls';
import type { ForkComponent } from '../fork/component.js';
import { realPid } from '../real-pid.js';
import { afterPoll, type Cancel } from '../time.js';
import { ExportError } from './exporter.js';

/** A request. */
export interface Upload {
  /** http: or https:. User and password in it are not sent. */
  readonly url: URL;
  readonly method: 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  /** In pieces, each of which is handed to the kernel by itself: none should be larger than some hundred kilobytes. */
  readonly body: readonly Uint8Array[];
  /** From the first byte sent to the last received, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** For https:, certificates of its own. */
  readonly secureContext?: SecureContext | undefined;
}

/** What a server answered. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The beginning of the body. */
  readonly body: Buffer;
  /** Whether there was more of it. */
  readonly isCut: boolean;
}

/** Most of an answer that is read. */
const MAX_ANSWER_BYTES = 65_536;

/** A request under way. */
interface Open {
  /** The process that it belongs to. */
  readonly pid: number;
  readonly request: ClientRequest;
  readonly endTimeout: Cancel;
}

let open = new Set<Open>();

/** In the fork chain: nothing of a parent's request goes on in its child. */
export const uploads: ForkComponent = {
  name: 'uploads',
  // Sockets are hooks: also where the reset fails later, the child's loop must not poll those of the parent.
  hooksOff: abandonInherited,
  resetAfterFork: abandonInherited,
};

function abandonInherited(): void {
  const here = realPid();
  const all = open;
  open = new Set([...all].filter(({ pid }) => pid === here));
  for (const { pid, request, endTimeout } of all) {
    if (pid === here) continue;
    endTimeout();
    request.removeAllListeners();
    // Destroying it is an error to some versions of Node.
    request.on('error', () => undefined);
    request.destroy();
  }
}

/**
 * Sends it and waits for the answer, whatever its status.
 *
 * @throws ExportError that may be tried again, if there is no answer
 */
export function upload({ url, method, headers, body, timeoutMs, signal, secureContext }: Upload): Promise<Answer> {
  const place = shown(url);
  const pid = realPid();
  return new Promise((resolve, reject) => {
    const givenUp = (): ExportError => new ExportError(`the export to ${place} was given up`, { retry: true });
    if (signal.aborted) return reject(givenUp());
    const length = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const request = make(url, { method, headers: { ...headers, 'Content-Length': String(length) }, ...(secureContext === undefined ? {} : { secureContext }) });
    const timeout = (): void => fail(new ExportError(`${place} did not answer within ${timeoutMs} ms`, { retry: true }));
    const entry: Open = { pid, request, endTimeout: afterPoll(timeoutMs, timeout, { unref: true }) };
    const onAbort = (): void => fail(givenUp());
    /** Whether it was under way until now. */
    const end = (): boolean => {
      if (realPid() !== pid || !open.delete(entry)) return false;
      entry.endTimeout();
      signal.removeEventListener('abort', onAbort);
      return true;
    };
    const fail = (error: ExportError): void => {
      if (!end()) return;
      reject(error);
      request.destroy();
    };
    const answered = (response: IncomingMessage, bytes: Buffer): void => {
      if (!end()) return;
      resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: bytes.subarray(0, MAX_ANSWER_BYTES), isCut: bytes.length > MAX_ANSWER_BYTES });
      request.destroy();
    };
    open.add(entry);
    signal.addEventListener('abort', onAbort, { once: true });
    const answer: { begun?: IncomingMessage } = {};
    request.on('response', (response) => {
      answer.begun = response;
      read(response).then(
        (bytes) => answered(response, bytes),
        // A refusal counts also if its reason does not arrive; what was accepted may not have been, so it is sent again.
        (error: unknown) => {
          if ((response.statusCode ?? 0) >= 300) answered(response, Buffer.alloc(0));
          else fail(new ExportError(`${place} broke off its answer: ${reasonOf(error)}`, { retry: true }, { cause: error }));
        },
      );
    });
    // To another protocol: an answer that nobody has asked for, and without a body.
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      answered(response, Buffer.alloc(0));
    });
    request.on('error', (error) => {
      // A server that refuses a request before it has read all of it closes the connection, and what is still being written fails. Its answer counts; reading
      // that comes to its end with the connection.
      if (answer.begun === undefined) fail(new ExportError(`${place} cannot be reached: ${reasonOf(error)}`, { retry: true }, { cause: error }));
    });
    const goesOn = (): boolean => realPid() === pid && open.has(entry);
    // Connecting is enough for one turn.
    setImmediate(() => void (goesOn() && write(request, body, goesOn)));
  });
}

/** Node's module for a server. Not imported, since most programs that import pronghorn upload nothing; loading it takes 10 ms the first time. */
export function moduleFor({ protocol }: URL): typeof http | typeof https {
  return process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http');
}

/** A context that was made beforehand; @types/node has it among the options of tls.connect() alone. */
interface SecureContextOptions {
  secureContext?: SecureContext;
}

function make(url: URL, how: Pick<RequestOptions, 'method' | 'headers'> & SecureContextOptions): ClientRequest {
  const { Agent, request: makeRequest } = moduleFor(url);
  const agent = new Agent({ keepAlive: false });
  // Of the URL only what a request needs: a password in it is not for headers.
  const { hostname, port, pathname, search, protocol } = url;
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const request = makeRequest({ protocol, hostname: host, port, path: `${pathname}${search}`, agent, ...how });
  // An upload does not keep the process alive; whoever waits for it does. Where a name has several addresses each attempt to connect has a handle of its own.
  request.on('socket', (socket) => {
    const letGo = (): void => void socket.unref();
    letGo();
    for (const event of ['connectionAttempt', 'connect', 'secureConnect']) socket.on(event, letGo);
  });
  return request;
}

/** Piece by piece, and the event loop gets its turn between them: a megabyte in one go keeps it for 1.5 ms. */
function write(request: ClientRequest, body: readonly Uint8Array[], goesOn: () => boolean): void {
  const [first, ...others] = body;
  if (first === undefined) {
    request.end();
    return;
  }
  request.write(first, (error) => {
    // A request that has ended otherwise reports its error by itself.
    // Twice, so that the loop polls before more is written: a server that refuses a request early closes the connection right behind its answer, and a write
    // into a closed connection ends it before anybody has read the answer.
    if (!error) setImmediate(() => setImmediate(() => void (goesOn() && write(request, others, goesOn))));
  });
}

/** The beginning of an answer's body, and a little more if there is more. The rest is not waited for. */
async function read(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks);
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
