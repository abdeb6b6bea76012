// Cluster applications that are profiled from their primary. `settings.case` says which; workers run this file too.
import { execFileSync, fork as forkChild, spawnSync } from 'node:child_process';
import cluster from 'node:cluster';
import { closeSync, existsSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { get, createServer } from 'node:http';
import { url as inspectorUrl } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { Worker as Thread } from 'node:worker_threads';
import { report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const here = fileURLToPath(import.meta.url);
const code = (error) => error?.code ?? (error === undefined ? undefined : String(error));

// ---- what workers compute, by names that a profile shows

let sink = 1;
const chunk = () => {
  for (let index = 0; index < 20_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
};
/** Computes for some milliseconds of CPU time, however busy the machine is. */
function burnFor(ms) {
  const before = process.cpuUsage();
  do chunk();
  while (spent(before) < ms);
}
function spent(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
/** Does nothing else until the primary has taken the file away. */
function hang() {
  writeFileSync(HANGING, '');
  while (existsSync(HANGING)) chunk();
}
const HANGING = `${settings.out}/hanging`;
const firstLines = () => burnFor(60);
let hums = 0;
/** What a worker does all the time, and counts where the primary can see it. */
const hummed = () => writeFileSync(humsOf(cluster.worker.id), `${++hums}`);
function workerHums() {
  burnFor(8);
  hummed();
}
function handleRequest() {
  burnFor(4);
  hummed();
}
const humsOf = (id) => `${settings.out}/hums-${id}`;

// ---- what primaries do

/** Waits until every one of these workers has said that it runs. */
const online = (workers) => Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
/** Waits until each of these workers has done some work from now on. */
async function humming(...ids) {
  const count = (id) => (existsSync(humsOf(id)) ? Number(readFileSync(humsOf(id), 'utf8')) : 0);
  const before = new Map(ids.map((id) => [id, count(id)]));
  await until(() => ids.every((id) => count(id) >= before.get(id) + 4));
}
async function until(condition) {
  const end = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`time ran out: ${condition}`);
    await rest(10);
  }
}
const ended = (worker) => (worker.isDead() ? undefined : new Promise((resolve) => worker.process.once('exit', resolve)));
const forkWorkers = (count, env) => Array.from({ length: count }, () => cluster.fork(env));
async function forkOnline(count, env) {
  const workers = forkWorkers(count, env);
  await online(workers);
  return workers;
}
async function endAll() {
  const workers = Object.values(cluster.workers);
  for (const worker of workers) worker.process.kill('SIGKILL');
  await Promise.all(workers.map(ended));
}

async function timed(promise) {
  const before = performance.now();
  return [await promise, performance.now() - before];
}

let kept = 0;
/** What the test needs to know of a result. */
async function shown(profile) {
  const file = await profile.save(`${settings.out}/cluster-${++kept}.pb.gz`);
  const processes = [];
  for (const part of profile.processes) {
    const own = part.profile && (await part.profile.save(`${settings.out}/cluster-${kept}-${part.workerId ?? 0}.pb.gz`));
    const { role, workerId, processId, error, stats } = part;
    processes.push({ role, workerId, processId, file: own, code: error?.code, message: error?.message, samples: stats?.samples });
  }
  return { file, startTimeNanos: profile.startTimeNanos, endTimeNanos: profile.endTimeNanos, processes };
}

/** Keeps so many requests to a port under way until told to stop. */
function load(port, atATime) {
  let running = true;
  const open = new Set();
  const one = () => {
    if (!running) return;
    const request = get({ port, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      response.on('end', one);
      response.on('error', one);
    });
    // A worker that is killed takes its connections with it.
    request.on('error', () => setTimeout(one, 5));
    open.add(request);
    request.on('close', () => open.delete(request));
  };
  for (let index = 0; index < atATime; index++) one();
  return () => {
    running = false;
    for (const request of open) request.destroy();
  };
}

const primaries = {
  /** Four workers under load: one is killed, one ends by SIGTERM, one by disconnect(), one stays; a new one takes over. */
  async load(pronghorn) {
    const workers = forkWorkers(4);
    const [{ port }] = await online(workers);
    const endLoad = load(port, 8);
    const before = workers.map((worker) => worker.process.pid);
    const session = pronghorn.startCluster(startOptions());
    await rest(100);
    await humming(1, 2, 3, 4);
    const first = await shown(await session.rotate());
    await humming(1, 2, 3, 4);
    workers[0].process.kill('SIGKILL');
    workers[1].process.kill('SIGTERM');
    workers[2].disconnect();
    const respawned = cluster.fork();
    await Promise.all([...workers.slice(0, 3).map(ended), online([respawned])]);
    await humming(4, 5);
    const last = await shown(await session.stop());
    endLoad();
    const again = await session.stop().then(shown);
    const afterStop = await session.rotate().catch(code);
    await endAll();
    return { pids: [...before, respawned.process.pid], first, last, again, afterStop };
  },

  /** Nothing that the application sees is different. */
  async unseen(pronghorn, keptFork) {
    const setups = [];
    cluster.on('setup', (seen) => setups.push({ ...seen, current: cluster.settings === seen }));
    const messages = [];
    cluster.on('message', (worker, message) => messages.push([worker.id, message.is ?? message]));
    const own = { exec: here, args: [process.argv[2], 'extra'], execArgv: ['--stack-size=900'] };
    const views = [];
    const look = () => {
      const { execArgv, stdio, args } = cluster.settings;
      views.push({ execArgv, stdio, args, variable: 'PRONGHORN_CLUSTER_AGENT' in process.env });
    };
    look();
    const first = cluster.fork();
    look();
    cluster.setupPrimary(own);
    look();
    const second = cluster.fork({ OWN: 'yes' });
    cluster.setupPrimary({ stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'], execArgv: [] });
    const third = cluster.fork();
    cluster.setupPrimary({ stdio: undefined, silent: true });
    const fourth = cluster.fork();
    const fifth = keptFork.call(cluster);
    cluster.setupPrimary();
    look();
    const workers = [first, second, third, fourth, fifth];
    const answers = (await online(workers)).map((message) => message.seen);
    look();
    const session = pronghorn.startCluster(startOptions());
    await rest(100);
    await humming(1, 2, 3, 4, 5);
    const rotated = await shown(await session.rotate());
    for (const worker of workers) worker.send({ echo: worker.id });
    first.send({ children: true });
    const [{ children: childrenMeanwhile }] = await Promise.all([
      new Promise((resolve) => first.on('message', (message) => message.is === 'children' && resolve(message))),
      humming(1, 2, 3, 4, 5),
      until(() => messages.length >= 11),
    ]);
    const stopped = await shown(await session.stop());
    const stdio = workers.map((worker) => worker.process.stdio.length);
    const listeners = cluster.listenerCount('fork') + cluster.listenerCount('online') + cluster.listenerCount('exit');
    const closed = Promise.all(workers.map((worker) => new Promise((resolve) => worker.process.once('close', resolve))));
    await endAll();
    await closed;
    return { setups, messages, views, answers, childrenMeanwhile, rotated, stopped, stdio, listeners, names: [cluster.fork.name, cluster.fork.length, cluster.setupPrimary.name] };
  },

  /** A dormant agent: what a worker has that it would not have without us. The same program without the import is the measure. */
  async dormant() {
    const [worker] = forkWorkers(1);
    const [{ seen }] = await online([worker]);
    await endAll();
    return seen;
  },

  /** Workers that have nothing to do end, dormant or profiled; so does the primary, although nobody stops the session. */
  async idle(pronghorn) {
    const dormant = cluster.fork();
    const code0 = await ended(dormant);
    const session = pronghorn.startCluster(startOptions());
    const profiled = cluster.fork();
    const code1 = await ended(profiled);
    const rotated = await shown(await session.rotate());
    return { codes: [code0, code1], rotated };
  },

  /** A worker that does not answer costs a bounded wait; what it delivers later comes with the next result. */
  async hang(pronghorn) {
    const [hanging, other] = await forkOnline(2);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 400 }));
    await humming(1, 2);
    hanging.send('hang');
    await until(() => existsSync(HANGING));
    await humming(2);
    const first = await shown(await session.rotate());
    const stillHanging = existsSync(HANGING);
    rmSync(HANGING);
    await humming(1, 2);
    const second = await shown(await session.rotate());
    hanging.send('hang');
    await until(() => existsSync(HANGING));
    const last = await shown(await session.stop());
    // A new session finds it hanging, and is not stopped by it either.
    const next = pronghorn.startCluster(startOptions({ workerTimeoutMs: 400 }));
    await humming(2);
    const after = await shown(await next.stop());
    const ids = [hanging.id, other.id];
    await endAll();
    return { ids, first, stillHanging, second, last, after };
  },

  /** A worker that is killed while an answer of it is waited for; one that is stopped and goes on later. */
  async killedPending(pronghorn) {
    const [hanging, stopped] = await forkOnline(2);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 20_000 }));
    await humming(1, 2);
    hanging.send('hang');
    await until(() => existsSync(HANGING));
    const rotation = timed(session.rotate());
    await rest(100);
    hanging.process.kill('SIGKILL');
    const [first, firstMs] = await rotation;
    await session.stop();
    const next = pronghorn.startCluster(startOptions({ workerTimeoutMs: 400 }));
    await humming(2);
    stopped.process.kill('SIGSTOP');
    const [second, secondMs] = await timed(next.rotate());
    stopped.process.kill('SIGCONT');
    await humming(2);
    const third = await shown(await next.stop());
    await endAll();
    return { first: await shown(first), firstMs, second: await shown(second), secondMs, third };
  },

  /**
   * A worker rotates, and its main thread is busy from then on, so that the profile is never handed over; then SIGTERM ends it. It hangs, so that the
   * primary's command is there when it looks again, and hangs once more after the turn of the event loop in which it has read it.
   */
  async cutOff(pronghorn) {
    const [worker] = await forkOnline(1);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 20_000 }));
    await humming(1);
    worker.send('hang twice');
    await until(() => existsSync(HANGING));
    const rotation = session.rotate();
    rmSync(HANGING);
    await until(() => existsSync(HANGING));
    // The thread pool serializes in the meantime.
    await rest(500);
    worker.process.kill('SIGTERM');
    const result = await shown(await rotation);
    await session.stop();
    return { result };
  },

  /** Workers that live and have no pipe any more: one has closed its descriptors, one has become another program. */
  async withoutPipe(pronghorn) {
    const [closing, becoming, trying] = await forkOnline(3);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 20_000 }));
    await humming(1, 2, 3);
    closing.send('close');
    await until(() => existsSync(`${settings.out}/closed`));
    if (process.execve) {
      becoming.send('become');
      trying.send('try to become');
      await online([trying]);
      await until(() => readFileSync(`/proc/${becoming.process.pid}/comm`, 'utf8') === 'sleep\n');
      trying.process.kill('SIGKILL');
      await ended(trying);
    }
    const [first, firstMs] = await timed(session.rotate());
    const [second, secondMs] = await timed(session.stop());
    await endAll();
    return { first: await shown(first), firstMs, second: await shown(second), secondMs };
  },

  /** Every profiler switches itself off. */
  async failing(pronghorn) {
    await forkOnline(2);
    const session = pronghorn.startCluster(startOptions());
    burnFor(100);
    let rotation;
    const end = performance.now() + 10_000;
    do {
      await humming(1, 2);
      rotation = await session.rotate();
    } while (rotation.processes.some((part) => part.error === undefined) && performance.now() < end);
    rotation = await shown(rotation);
    const result = await shown(await session.stop());
    await endAll();
    return { rotation, result };
  },

  /** Workers forked before the import, ones whose profiler refuses, ones that stop it themselves. */
  async reasons(pronghorn, _keptFork, early) {
    const [busy, stopping] = await forkOnline(2);
    busy.send({ start: true });
    await online([busy]);
    const session = pronghorn.startCluster(startOptions());
    const started = (call) => {
      try {
        call();
        return 'started';
      } catch (error) {
        return [error.code, error.message];
      }
    };
    const second = started(() => pronghorn.startCluster());
    const plain = started(() => pronghorn.start(startOptions()));
    await humming(stopping.id);
    stopping.send({ stop: true });
    await online([stopping]);
    const nested = await new Promise((resolve) => {
      stopping.once('message', resolve);
      stopping.send({ startCluster: true });
    });
    const [rotation, overlapping] = await Promise.all([session.rotate().then(shown), session.rotate().catch(code)]);
    const result = await shown(await session.stop());
    const inspectors = [];
    for (const worker of [early, stopping]) {
      worker.send({ inspector: true });
      const [{ inspector }] = await online([worker]);
      inspectors.push(inspector);
    }
    const ids = { early: early.id, busy: busy.id, stopping: stopping.id };
    await endAll();
    return { ids, inspectors, second, plain, nested: nested.answer, overlapping, rotation, result };
  },

  /** A worker becomes another program in the middle of a session. */
  async exec(pronghorn) {
    const [worker, other] = await forkOnline(2);
    const session = pronghorn.startCluster(startOptions());
    await humming(worker.id, other.id);
    const first = await shown(await session.rotate());
    await humming(worker.id);
    worker.send('exec');
    await ended(worker);
    const { exitCode } = worker.process;
    const last = await shown(await session.stop());
    await endAll();
    return { ids: [worker.id, other.id], exitCode, first, last };
  },

  /** profileCluster(); and a worker that is forked while a session runs, which is profiled from its first line on. */
  async duration(pronghorn) {
    await forkOnline(1);
    const wrong = await Promise.all(
      [{}, { durationMs: 0 }, { durationMs: 5, workerTimeoutMs: 0 }, { durationMs: 5, signal: 1 }, { durationMs: 5, durationMS: 6 }].map((options) => pronghorn.profileCluster(options).catch(code)),
    );
    const abort = new AbortController();
    const aborted = pronghorn.profileCluster(startOptions({ durationMs: 30_000, signal: abort.signal })).catch((error) => [error.name, error.code, error.cause]);
    await rest(50);
    abort.abort('because');
    const reason = await aborted;
    const result = await shown(await pronghorn.profileCluster(startOptions({ durationMs: 400 })));
    const session = pronghorn.startCluster(startOptions());
    const [late] = await forkOnline(1);
    const joined = await shown(await session.stop());
    const id = late.id;
    await endAll();
    return { wrong, reason, result, joined, id };
  },

  /** The test kills the primary in the middle of a session. */
  async killed(pronghorn) {
    await forkOnline(2);
    pronghorn.startCluster(startOptions());
    await rest(200);
    report({ pids: Object.values(cluster.workers).map((worker) => worker.process.pid), files: readdirSync(process.env.TMPDIR) });
    await rest(60_000);
  },

  /** What importing costs a primary's forks, and more than ten sessions with the same workers. */
  async often(pronghorn) {
    const warnings = [];
    process.on('warning', (warning) => warnings.push(warning.message));
    await forkOnline(2);
    const before = readdirSync('/proc/self/fd').length;
    const counts = [];
    for (let round = 0; round < 12; round++) {
      const session = pronghorn.startCluster(startOptions());
      await rest(20);
      const { processes } = await session.stop();
      counts.push(processes.filter((part) => part.profile !== undefined).length);
    }
    const after = readdirSync('/proc/self/fd').length;
    await endAll();
    return { counts, warnings, descriptors: after - before };
  },
};

// ---- what workers do

const seen = () => {
  const sockets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return {
    execArgv: process.execArgv,
    argv: process.argv.slice(3),
    environment: Object.keys(process.env).filter((name) => name.startsWith('PRONGHORN_CLUSTER')),
    own: process.env.OWN,
    listeners: ['message', 'disconnect', 'exit', 'SIGTERM', 'uncaughtException'].map((name) => process.listenerCount(name)),
    sockets: sockets.filter((target) => target.startsWith('socket:')).length,
    native: readFileSync('/proc/self/maps', 'utf8').includes('pronghorn.linux'),
    tasks: readdirSync('/proc/self/task').length,
    caught: /SigCgt:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1],
    resources: process.getActiveResourcesInfo().filter((name) => name !== 'TTYWrap'),
    preloaded: process['_preload_modules'] ?? [],
  };
};

/** Everything that a worker can start, and what it finds there. */
async function children() {
  const text = `JSON.stringify({ execArgv: process.execArgv, environment: Object.keys(process.env).filter((name) => name.startsWith('PRONGHORN_CLUSTER')), preloaded: process._preload_modules, agent: Object.getOwnPropertySymbols(process).map(String).filter((name) => name.includes('pronghorn')) })`;
  const spawned = JSON.parse(execFileSync(process.execPath, [...process.execArgv, '-p', text], { encoding: 'utf8' }));
  const thread = (options) =>
    new Promise((resolve, reject) => new Thread(`require('node:worker_threads').parentPort.postMessage(${text})`, { eval: true, ...options }).on('message', (message) => resolve(JSON.parse(message))).on('error', reject));
  const forked = await new Promise((resolve) => {
    const child = forkChild('-p', [], { execArgv: [...process.execArgv, '-e', `process.send(${text})`] });
    child.on('message', (message) => resolve(JSON.parse(message)));
  });
  // Among the files would be the one for the last profile.
  const inherited = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).stdout;
  const files = inherited.match(/\S*pronghorn-[0-9a-f]{8}-\S*/g) ?? [];
  return { spawned, forked, threads: [await thread({}), await thread({ execArgv: process.execArgv, env: process.env })], inherited: (inherited.match(/socket:/g) ?? []).length, files };
}

const workers = {
  load() {
    const server = createServer((_request, response) => {
      handleRequest();
      response.end('done');
    });
    server.listen(0, () => process.send({ port: server.address().port }));
  },
  async unseen() {
    const messages = [];
    process.on('message', (message) => {
      messages.push(message);
      if (message.children) void children().then((all) => process.send({ is: 'children', children: all }));
      else process.send({ is: 'echo', messages });
    });
    process.on('internalMessage', (message) => {
      if (!message.cmd?.startsWith('NODE_')) messages.push(['internal', message]);
    });
    process.send({ is: 'seen', seen: { ...seen(), children: cluster.worker.id === 1 ? await children() : undefined } });
    setInterval(workerHums, 30);
  },
  dormant() {
    process.send({ seen: seen() });
    setInterval(() => undefined, 1_000);
  },
  idle() {
    burnFor(150);
    process.disconnect();
  },
  hang() {
    process.on('message', hang);
    process.send('online');
    setInterval(workerHums, 30);
  },
  killedPending: () => workers.hang(),
  cutOff() {
    process.on('message', () => {
      hang();
      setImmediate(() => setImmediate(hang));
    });
    process.send('online');
    setInterval(workerHums, 30);
  },
  withoutPipe() {
    process.on('message', (what) => {
      if (what === 'close') {
        // After standard input, output and error, and the IPC channel.
        closeSync(4);
        writeFileSync(`${settings.out}/closed`, '');
      } else if (what === 'become') {
        process.execve('/bin/sleep', ['sleep', '60'], process.env);
      } else {
        try {
          process.execve('/bin/sleep', ['sleep', 60], process.env);
        } catch {
          // An argument that is no string.
        }
        // The profiler tells the primary so once this function has returned.
        setImmediate(() => process.send('goes on'));
      }
    });
    process.send('online');
    setInterval(workerHums, 30);
  },
  failing: () => workers.hang(),
  exec() {
    process.on('message', () => process.execve(process.execPath, [process.execPath, '-e', 'process.exit(3)'], process.env));
    process.send('online');
    setInterval(workerHums, 30);
  },
  async reasons() {
    const hold = setInterval(workerHums, 30);
    process.on('message', async ({ start, stop, startCluster, inspector }) => {
      // A worker that was forked too early never loads the package.
      if (inspector) {
        process.send({ inspector: String(inspectorUrl()) });
        return;
      }
      const pronghorn = await import('pronghorn');
      if (start) pronghorn.start(startOptions());
      if (stop) await pronghorn.stop();
      let answer;
      if (startCluster) {
        try {
          pronghorn.startCluster();
        } catch (error) {
          answer = error.code;
        }
      }
      process.send({ answer });
    });
    process.send('online');
    process.on('disconnect', () => clearInterval(hold));
  },
  duration() {
    firstLines();
    process.send('online');
    setInterval(workerHums, 30);
  },
  killed: () => workers.hang(),
  often: () => workers.hang(),
};

if (cluster.isPrimary) {
  const keptFork = cluster.fork;
  const early = settings.case === 'reasons' ? cluster.fork() : undefined;
  if (early) await online([early]);
  const pronghorn = settings.without ? undefined : await import('pronghorn');
  report(await primaries[settings.case](pronghorn, keptFork, early));
  // Node keeps a worker in its list for ever, with its listening socket, if it dies while a connection is on its way to it.
  if (settings.case === 'load') process.exit();
} else {
  await workers[settings.case]();
}
