// Cluster applications that are profiled from their primary. `settings.case` says which; workers run this file too. What goes wrong is in
// cluster-troubles.mjs.
import { execFileSync, fork as forkChild, spawnSync } from 'node:child_process';
import cluster from 'node:cluster';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { get, createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Worker as Thread } from 'node:worker_threads';
import { burnFor, code, ended, endAll, firstLines, forkOnline, forkWorkers, handleRequest, humming, online, runCase, shown, until, workerHums } from '../helpers/clusters.mjs';
import { report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const here = fileURLToPath(import.meta.url);

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

/** Works until it is ended. */
function works() {
  process.send('online');
  setInterval(workerHums, 30);
}

const workers = {
  exec() {
    process.on('message', () => process.execve(process.execPath, [process.execPath, '-e', 'process.exit(3)'], process.env));
    process.send('online');
    setInterval(workerHums, 30);
  },
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
  duration() {
    firstLines();
    works();
  },
  killed: works,
  often: works,
};

await runCase(primaries, workers);
// Node keeps a worker in its list for ever, with its listening socket, if it dies while a connection is on its way to it.
if (settings.case === 'load' && cluster.isPrimary) process.exit();
