// Forks at random instants of a busy process: garbage collections, compilation, zlib, files and http are under way, and rotations too.
import { createServer, get } from 'node:http';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { childOnly, digest, first, forker, inChild, parentOnly, pronghorn, rest, scenarios, settings, turn, untilSampled } from '../helpers/forking.mjs';

const { start, resetAfterFork } = pronghorn;
const zip = promisify(gzip);

/** Whether this is still the process that the load belongs to: a child has inherited its timers and promises. */
const here = () => forker.getpid() === first;

const seen = { collected: 0, compiled: 0, zipped: 0, read: 0, answered: 0, rotated: 0, wrong: [] };

/** One kind of load, over and over. */
function repeat(name, work) {
  const step = async () => {
    while (here() && !load.ended) {
      try {
        await work();
        if (here()) seen[name]++;
      } catch (error) {
        if (here() && !load.ended) seen.wrong.push(`${name}: ${error.message}`);
      }
    }
  };
  return step();
}

const load = { ended: false };
let kept = [];
const sockets = new Set();

function collect() {
  kept = Array.from({ length: 20_000 }, (_, index) => ({ index, text: `${index}` }));
  return rest(Math.random() * 6);
}

function compile() {
  const fresh = new Function('n', `let s = ${Math.random()}; for (let i = 0; i < n; i++) s = (s * 31 + i) % 65537; return s`);
  for (let round = 0; round < 30; round++) fresh(2_000);
  return rest(Math.random() * 6);
}

async function deflate() {
  const data = Buffer.alloc(200_000, `${kept.length} and ${Math.random()}`);
  if (gunzipSync(await zip(data)).compare(data) !== 0) throw new Error('other data');
}

const readSelf = () => readFile(new URL(import.meta.url));

function ask(port) {
  return new Promise((resolve, reject) => {
    const request = get({ port, agent: false, path: '/' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => (text += part));
      answer.on('end', () => (text.length === 50_000 ? resolve() : reject(new Error(`${text.length} bytes`))));
      answer.on('error', reject);
    });
    request.on('socket', track).on('error', reject);
  });
}

function track(socket) {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
}

async function serve() {
  const server = createServer((_, answer) => setTimeout(() => answer.end('x'.repeat(50_000)), 2));
  server.on('connection', track);
  await new Promise((resolve) => server.listen(0, resolve));
  return server;
}

/** What a program that forks has to do with sockets, before the child's loop polls: both would read the same answer. */
function dropSockets(server) {
  for (const socket of sockets) socket.destroy();
  server.close();
}

async function prove(profiler, byCall, kind) {
  if (byCall) resetAfterFork();
  else await turn();
  // New work for the pool is done, where libuv has heard of the fork and made a new one, and garbage is collected.
  if (kind === 'fork') await deflate();
  await collect();
  try {
    untilSampled(() => profiler.stats().samples, childOnly);
  } catch (error) {
    return { kind, code: error.code };
  }
  const one = await profiler.rotate();
  const two = await profiler.stop();
  const [a, b] = [digest(one), digest(two)];
  const own = [...a.threads, ...b.threads].every((id) => id === forker.gettid());
  const { lateForks, droppedSamples, droppedByRecorder } = two.stats;
  return { kind, names: a.names, later: b.names, own, sequence: [one.sequence, two.sequence], lost: lateForks + droppedSamples + droppedByRecorder };
}

await scenarios({
  async busy() {
    const profiler = start({ intervalMicros: 1_000 });
    const server = await serve();
    const { port } = server.address();
    const loads = [
      repeat('collected', collect),
      repeat('compiled', compile),
      repeat('zipped', deflate),
      repeat('read', readSelf),
      repeat('answered', () => ask(port)),
      repeat('rotated', async () => {
        await profiler.rotate();
        await rest(Math.random() * 20);
      }),
    ];
    const forks = [];
    for (let index = 0; index < settings.count; index++) {
      await rest(Math.random() * 6);
      parentOnly(Math.random() * 2);
      const kind = settings.kinds[index % settings.kinds.length];
      const child = await inChild(
        () => {
          dropSockets(server);
          return prove(profiler, Math.random() < 0.5, kind);
        },
        { kind, deadlineMs: settings.childDeadlineMs },
      );
      forks.push(child.value);
    }
    load.ended = true;
    await Promise.all(loads);
    server.close();
    const sampledOn = untilSampled(() => profiler.stats().samples, parentOnly);
    const last = await profiler.stop();
    return { forks, seen, sampledOn, names: digest(last).names, stats: last.stats };
  },
});
