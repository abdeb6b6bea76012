// An HTTP server: Fastify answers with JSON that it makes from a few hundred objects. The load comes from another process, first as much as
// there can be, for a fixed number of requests, and then at a fixed rate, for the latencies.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const generator = fileURLToPath(new URL('../programs/load-generator.mjs', import.meta.url));
/** Some ten seconds of CPU time: most of what a server does, it has done before, and what a profiler pays once should not be most of what it pays. */
const AMOUNT = 300_000;
const AMOUNT_QUICK = 500;
/** Well below what the server can do, so that a queue of requests means a pause. */
const RATE = 800;
const SECONDS = 5;

export async function prepare({ quick }) {
  const require = createRequire(new URL('../peers/package.json', import.meta.url));
  const app = require('fastify')({ logger: false });
  const stock = Array.from({ length: 400 }, (_, id) => ({ id, name: `article ${id}`, price: (id * 37) % 1_000, tags: [`a${id % 7}`, `b${id % 11}`] }));
  app.get('/articles/:tag', async ({ params, query }) => {
    const found = stock.filter(({ tags }) => tags.includes(params.tag)).map(({ id, name, price }) => ({ id, name, price, gross: price * 1.19 }));
    found.sort((left, right) => right.gross - left.gross || left.id - right.id);
    return { count: found.length, found: found.slice(0, Number(query.limit ?? 20)) };
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${app.server.address().port}/articles/a3?limit=25`;

  const load = async (plan) => {
    const { stdout } = await promisify(execFile)(process.execPath, [generator, JSON.stringify({ url, ...plan })], { timeout: 60_000 });
    return JSON.parse(stdout);
  };
  // So that the routes are compiled, and the connections' first requests are not measured.
  await load({ amount: quick ? 200 : 3_000 });
  return {
    async run() {
      const { requests, failed } = await load({ amount: quick ? AMOUNT_QUICK : AMOUNT });
      if (failed > 0) throw new Error(`${failed} requests failed`);
      return requests;
    },
    async latencies(rotate) {
      const timer = setInterval(rotate, 1_000);
      try {
        const { failed, latencies } = await load({ rate: RATE, seconds: quick ? 2 : SECONDS });
        if (failed > 0) throw new Error(`${failed} requests failed`);
        return latencies;
      } finally {
        clearInterval(timer);
      }
    },
    close: () => app.close(),
  };
}
