/**
 * Serves one page to a browser on this machine, and to nobody else.
 *
 * Listening on the loopback address keeps other machines out; asking for the Host header keeps out what a page from elsewhere has the browser
 * request under a name of its own (DNS rebinding).
 */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PronghornError } from '../errors.js';

const ADDRESS = '127.0.0.1';

/** A page that is being served. */
export interface Served {
  url: string;
  close(): void;
}

/**
 * @param port 0 for any that is free
 * @throws PronghornError ERR_PRONGHORN_LISTEN_FAILED
 */
export async function servePage(page: Buffer, port: number): Promise<Served> {
  const server = createServer((request, response) => answer(request, response, page, portOf(server)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === 'EADDRINUSE' ? 'another program has that port' : cause.message;
      reject(new PronghornError('ERR_PRONGHORN_LISTEN_FAILED', `the page cannot be served on ${ADDRESS}:${port}: ${reason}`, { cause }));
    });
    server.listen(port, ADDRESS, resolve);
  });
  return {
    url: `http://${ADDRESS}:${portOf(server)}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function answer(request: IncomingMessage, response: ServerResponse, page: Buffer, port: number): void {
  const own = [`${ADDRESS}:${port}`, `localhost:${port}`, ...(port === 80 ? [ADDRESS, 'localhost'] : [])];
  if (!own.includes(request.headers.host?.toLowerCase() ?? '')) return refuse(response, 421, 'This is not the host that you asked for.');
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'There is only a page to get.', { allow: 'GET, HEAD' });
  if (request.url !== '/') return refuse(response, 404, 'There is one page only: /');
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/html; charset=utf-8', 'content-length': page.length });
  response.end(request.method === 'HEAD' ? undefined : page);
}

/** The page brings its own content security policy; what a policy in a page cannot forbid, these do. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

function refuse(response: ServerResponse, status: number, text: string, more: Record<string, string> = {}): void {
  response.writeHead(status, { ...HEADERS, ...more, 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** Shows a page in the browser of the desktop, where there is one; otherwise nothing happens. */
export function openBrowser(url: string): void {
  const child = spawn('xdg-open', [url], { stdio: 'ignore', detached: true });
  // Most likely there is no such command: then the printed URL has to do.
  child.on('error', () => {});
  child.unref();
}
