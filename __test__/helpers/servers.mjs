// Starting a real server for a test: on a free loopback port, with its files in a scratch folder, and with a deadline for every wait.
import { createServer } from 'node:net';
import { rmSync } from 'node:fs';
import { serverPath } from '../servers/cache.mjs';
import { launch, sleep } from './child.mjs';
import { scratch } from './scratch.mjs';

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Asks again and again until the answer is neither false nor undefined, nor an error, and returns it.
 *
 * @template T
 * @param {() => T | Promise<T>} ask
 * @param {{ deadlineMs?: number, what: string, everyMs?: number, givenUp?: () => string | undefined }} options `givenUp`: why waiting is useless
 */
export async function eventually(ask, { deadlineMs = 20_000, what, everyMs = 50, givenUp = () => undefined }) {
  const end = performance.now() + deadlineMs;
  let last = 'nothing';
  while (performance.now() < end && givenUp() === undefined) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = String(answer);
    } catch (error) {
      last = String(error?.cause ?? error);
    }
    await sleep(everyMs);
  }
  throw new Error(`${what}: ${givenUp() ?? `not within ${deadlineMs} ms`}; last seen: ${last}`);
}

/** An HTTP request to a server of a test, on a connection of its own, which ends within its deadline. */
export async function request(url, { deadlineMs = 20_000, headers, ...init } = {}) {
  const response = await fetch(url, { ...init, headers: { connection: 'close', ...headers }, signal: AbortSignal.timeout(deadlineMs) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

/**
 * Starts a server that __test__/servers/build.mjs has built, and waits until it answers HTTP.
 *
 * @param {'parca' | 'collector'} name
 * @param {(port: number, folder: string) => string[]} configure writes what the server reads into the folder and returns its arguments
 * @param {{ path: string, statuses: number[], livesMs?: number }} ready the path that answers with one of these statuses once the server works;
 *   it is killed after `livesMs` whatever happens
 * @returns {Promise<{ url: string, port: number, folder: string, pid: number, output: { stdout: string, stderr: string }, stop: () => Promise<void> }>}
 */
export async function startServer(name, configure, { path, statuses, livesMs = 300_000 }) {
  // Between the moment the port was seen to be free and the server's start somebody else may have taken it.
  for (let attempt = 1; ; attempt++) {
    const folder = scratch();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const child = launch(serverPath(name), configure(port, folder), { deadlineMs: livesMs, cwd: folder });
    let ended;
    child.done.then((result) => (ended = result));
    const stop = async () => {
      child.kill('SIGTERM');
      const late = setTimeout(child.killGroup, 5_000);
      await child.done;
      clearTimeout(late);
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      await eventually(async () => statuses.includes((await request(url + path, { deadlineMs: 5_000 })).status), {
        what: `${name} at ${url}`,
        givenUp: () => ended && `it ended with ${ended.signal ?? ended.code}`,
      });
      return { url, port, folder, pid: child.pid, output: child.output, stop };
    } catch (error) {
      const { stdout, stderr } = child.output;
      await stop();
      if (attempt < 3 && /address already in use/.test(stderr)) continue;
      throw new Error(`${error.message}\n${stdout}\n${stderr}`, { cause: error });
    }
  }
}
