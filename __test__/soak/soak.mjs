// Runs a soak on one Node version: the program, and the server that its profiles go to.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { launch } from '../helpers/child.mjs';
import { nodePath } from '../helpers/nodes.mjs';
import { judge } from './verdict.mjs';

const program = fileURLToPath(new URL('program.mjs', import.meta.url));

/**
 * @param {number} major
 * @param {{ ms: number, roundMs: number, leak?: string[], plain?: boolean }} how `leak` names what the program is to leak; `plain` runs it without the profiler
 * @returns {Promise<object>} the verdict, with the count of rounds, what was held after each (`course`), the uploads, and what the profiler counted
 */
export async function soak(major, { ms, roundMs, leak, plain }) {
  let uploads = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      uploads++;
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const settings = { ms, roundMs, leak, plain, url: `http://127.0.0.1:${server.address().port}/` };
    const child = launch(nodePath(major), ['--expose-gc', program, JSON.stringify(settings)], { deadlineMs: ms * 2 + 240_000 });
    const result = await child.done;
    const lines = (word) => result.stdout.split('\n').filter((line) => line.startsWith(word)).map((line) => JSON.parse(line.slice(word.length)));
    const [end] = lines('END ');
    if (end === undefined || result.code !== 0) throw new Error(`the soak on Node ${major} ended with ${result.timedOut ? 'its deadline' : (result.signal ?? result.code)}\n${result.stdout.slice(-2000)}\n${result.stderr}`);
    const rounds = lines('ROUND ');
    return { ...judge(rounds), rounds: rounds.length, course: rounds, uploads, end };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
