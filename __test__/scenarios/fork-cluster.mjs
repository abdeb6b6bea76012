// Members of a cluster session that fork themselves, for real: the primary, and a worker. Workers run this file too.
import cluster from 'node:cluster';
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { asChild, forker, forkNow, inChild, native, never, pronghorn, rest, scenarios, settings, turn } from '../helpers/forking.mjs';
import { nap, until } from '../helpers/held.mjs';

const { startCluster, resetAfterFork } = pronghorn;
const options = { intervalMicros: 1_000, workerTimeoutMs: 10_000 };

const codeOf = (promise) => promise.then(() => 'none', (error) => error.code ?? String(error));

/** What the descriptors of this process point at, by their numbers. */
function links() {
  const all = {};
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      all[fd] = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // That of the folder just read.
    }
  }
  return all;
}

/** Bytes that this process has written by write(2) since it was forked off: to files, sockets, pipes, and eventfds. */
const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))[1]);

/** The pipes of the profiler to the workers of this process. */
const pipes = () => [...cluster[Symbol.for('pronghorn.clusterHook')].links.values()].map(({ socket }) => socket);

/** The sockets and files of this process that belong to the cluster session, as the kernel names them. */
function belongings() {
  const all = links();
  // oxlint-disable-next-line no-underscore-dangle -- Node has no other way to ask for the number
  const sockets = pipes().map((socket) => all[socket._handle.fd]);
  const wills = Object.values(all).filter((link) => link.startsWith(`${tmpdir()}/.pronghorn-`));
  return { sockets, wills };
}

/** Which of these are open here. */
function open({ sockets, wills }) {
  const all = new Set(Object.values(links()));
  return [...sockets, ...wills].filter((link) => all.has(link));
}

// ---- what workers do

const humsOf = (id) => `${settings.out}/hums-${id}`;
let sink = 1;

function workerHums() {
  for (let index = 0; index < 3_000_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  writeFileSync(humsOf(cluster.worker.id), `${sink}`);
}

/** Functions with names that gzip cannot shorten, each of which calls the next: their profile is larger than a socket takes in at once. */
function manyNames() {
  let next = workerHums;
  for (let depth = 0; depth < 500; depth++) {
    const name = Array.from({ length: 250 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('');
    next = new Function('next', `return function ${name}() { next(); return 1; }`)(next);
  }
  return next;
}

/** The next of them at each call. */
function byTurns(list) {
  let turns = 0;
  return () => list[turns++ % list.length]();
}

const workers = {
  hums() {
    setInterval(workerHums, 20);
    process.send('online');
  },

  // Forks while an answer to the primary is stuck in its pipe, which the primary does not read.
  forks() {
    const hum = setInterval(byTurns(Array.from({ length: 6 }, manyNames)), 20);
    process.send('online');
    process.on('message', async () => {
      // The primary has asked for a profile just before.
      const before = written();
      const stuck = await until(() => written() - before > 100_000, 10_000);
      clearInterval(hum);
      await rest(50);
      // Timers of one length run in the order in which they were set, so this comes right behind the one that goes on writing (RETRY_MS of
      // lib/cluster/pipe.ts), which has been set for another 5 ms then. A shorter one comes before that.
      setImmediate(() => {
        setTimeout(() => {
          setTimeout(() => forkAndWait((end) => process.send({ stuck, ...end })), 4);
          setTimeout(probe, 5);
          nap(20);
        }, 5);
        nap(20);
      });
    });
  },
};

let inLimbo;

/** What a child finds after the timer that goes on writing. */
function probe() {
  inLimbo = [native().forkState().forked, written()];
}

/** Called in a timer's callback. In the parent it waits without its loop: this process shall write nothing meanwhile. */
function forkAndWait(tell) {
  const pid = forkNow();
  if (pid === 0) {
    void never(asChild(inWorkersChild()));
    return;
  }
  const end = performance.now() + 10_000;
  let status;
  while ((status = forker.waitpid(pid, 1)) === -1 && performance.now() < end) nap(2);
  if (status === -1) forker.kill(pid, 9);
  tell({ pid, status });
}

/** Called in a timer's callback; returns what the child does when its other timers have had their turn. */
function inWorkersChild() {
  const sockets = () => Object.entries(links()).filter(([, link]) => link.startsWith('socket:')).length;
  const had = sockets();
  // Now there shall be room in the pipe.
  writeFileSync(`${settings.out}/read`, '');
  const end = performance.now() + 8_000;
  while (!existsSync(`${settings.out}/has-read`) && performance.now() < end) nap(2);
  const before = written();
  return async () => {
    await turn();
    await rest(40);
    const wrote = written() - before;
    return { inLimbo: [inLimbo?.[0], inLimbo?.[1] - before], wrote, forked: native().forkState().forked, closed: had - sockets() };
  };
}

// ---- what primaries do

const primaries = {
  // The primary forks; its child forks a worker of its own, and itself.
  async primary() {
    const worker = cluster.fork();
    await new Promise((resolve) => worker.once('message', resolve));
    const session = startCluster(options);
    await humming(worker);
    const rotation = session.rotate();
    const ours = belongings();
    const had = open(ours).length;
    const child = await inChild(
      async () => {
        const before = written();
        const inherited = open(ours).length;
        await turn();
        const left = open(ours);
        const codes = [await codeOf(rotation), await codeOf(session.rotate()), await codeOf(session.stop())];
        await turn();
        const wrote = written() - before;
        const own = cluster.fork();
        await new Promise((resolve) => own.once('message', resolve));
        const again = startCluster(options);
        await humming(own);
        const mine = belongings();
        const grandchild = await inChild(async () => {
          const stillOpen = open(mine).length;
          resetAfterFork();
          return { inherited: stillOpen, left: [...open(ours), ...open(mine)] };
        });
        const result = parts(await again.stop());
        own.process.kill('SIGKILL');
        return { inherited, left, codes, wrote, mine: mine.sockets.length + mine.wills.length, grandchild: grandchild.value, result, own: own.process.pid };
      },
      { deadlineMs: 20_000 },
    );
    const rotated = parts(await rotation);
    await humming(worker);
    const stopped = parts(await session.stop());
    worker.process.kill('SIGKILL');
    return { ours, had, child: child.value, rotated, stopped, worker: worker.process.pid };
  },

  // A worker forks.
  async worker() {
    const worker = cluster.fork();
    await new Promise((resolve) => worker.once('message', resolve));
    const session = startCluster(options);
    await humming(worker, 12);
    const [pipe] = pipes();
    pipe.pause();
    const rotation = session.rotate();
    const answer = new Promise((resolve) => worker.once('message', resolve));
    worker.send('fork');
    if (!(await until(() => existsSync(`${settings.out}/read`), 15_000))) throw new Error('the worker does not fork');
    pipe.resume();
    await until(() => pipe.bytesRead > 100_000, 5_000);
    // Until nothing more comes.
    for (let before = -1; before < pipe.bytesRead; await rest(50)) before = pipe.bytesRead;
    const first = pipe.bytesRead;
    writeFileSync(`${settings.out}/has-read`, '');
    const said = await answer;
    const result = await rotation;
    const bytes = result.processes.map(({ profile }) => profile?.data.length);
    const rotated = parts(result);
    await rest(30);
    const stopped = parts(await session.stop());
    worker.process.kill('SIGKILL');
    return { said, first, bytes, rotated, stopped };
  },
};

/** Waits until a worker has done that many rounds of its work from now on. */
async function humming({ id }, count = 4) {
  const file = humsOf(id);
  for (let times = 0; times < count; times++) {
    const seen = existsSync(file) ? readFileSync(file, 'latin1') : '';
    if (!(await until(() => existsSync(file) && readFileSync(file, 'latin1') !== seen, 10_000))) throw new Error(`worker ${id} does not work`);
  }
}

const parts = ({ processes }) => processes.map(({ workerId, error, stats }) => ({ workerId, code: error?.code, message: error?.message, samples: stats?.samples }));

if (cluster.isPrimary) {
  await scenarios(primaries);
} else {
  await workers[settings.scenario === 'worker' ? 'forks' : 'hums']();
}
