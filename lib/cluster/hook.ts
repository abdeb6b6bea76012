/**
 * In a cluster primary: sees to it that every worker forked from now on preloads the dormant agent (cluster-agent.cts), with a pipe to this
 * process that belongs to the profiler alone.
 *
 * `cluster.fork` reads `cluster.settings` synchronously, after it has called `cluster.setupPrimary()`. So both are wrapped, and the flag and the
 * pipe stand in the settings only between these two moments: what the application sets before, after or between, and what it reads, is
 * its own. NODE_OPTIONS is not touched.
 *
 * The pipe is one more entry of the worker's stdio, which makes it private to the two processes: there is no path that could be too long, left
 * behind, or opened by somebody else. It is unref'd at both ends.
 */
import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Cluster as NodeCluster, Worker } from 'node:cluster';
import { accessSync, constants, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callerOf } from '../caller.js';
import { isMainThread } from '../main-thread.js';
import { onFork } from './fork.js';
import type { AgentSetting, StartOrder } from './wire.js';

/** Also in lib/cluster-agent.cts. */
const VARIABLE = 'PRONGHORN_CLUSTER_AGENT';

/** Beside lib/core.js, which this is a part of when it runs. */
const AGENT_FILE = fileURLToPath(new URL('cluster-agent.cjs', import.meta.url));
const AGENT_FLAG = `--require=${AGENT_FILE}`;

/** Where other copies of this package find the one hook. */
const HOOK = Symbol.for('pronghorn.clusterHook');

/** The types call the settings read-only; Node replaces them at every setupPrimary(). */
type Cluster = Omit<NodeCluster, 'settings'> & { settings: NodeCluster['settings'] };

/** A worker that has the agent. */
export interface Link {
  readonly worker: Worker;
  /** Unref'd; errors are handled. What a worker says goes to `onData`. */
  readonly socket: Socket;
  /** Whoever holds the session. */
  onData: ((chunk: Buffer) => void) | undefined;
  /** The order that the worker was forked with. */
  readonly order: StartOrder | undefined;
}

/** The hook of this process. Other versions of this package read it: only add to it. */
export interface ClusterHook {
  readonly cluster: Cluster;
  /** By worker id; those that have ended, or have closed their pipe, are not in it. */
  readonly links: Map<number, Link>;
  /** What the session that runs wants a new worker to do from its first line on. */
  orderForNew: (() => StartOrder) | undefined;
  /** Tells the session of a new worker. */
  onLink: ((link: Link) => void) | undefined;
}

/** Between the moment when the settings are changed and the one when they are put back. */
interface Insertion {
  /** The application's. */
  settings: Cluster['settings'];
  /** Those that stand there meanwhile. */
  ours: Cluster['settings'];
  fd: number;
  order: StartOrder | undefined;
  /** Ids of the workers that were there before. */
  before: ReadonlySet<string>;
}

/**
 * Hooks cluster.fork, once per process. In a cluster worker there is nothing to hook.
 *
 * @returns the hook, or undefined in a cluster worker
 */
export function hookCluster(): ClusterHook | undefined {
  const cluster = process.getBuiltinModule('node:cluster') as unknown as Cluster & { [HOOK]?: ClusterHook };
  if (!cluster.isPrimary) return undefined;
  const existing = cluster[HOOK];
  if (existing !== undefined) return existing;
  const hook: ClusterHook = { cluster, links: new Map(), orderForNew: undefined, onLink: undefined };
  Object.defineProperty(cluster, HOOK, { value: hook });
  wrap(hook);
  const abandon = (): void => {
    for (const { socket } of hook.links.values()) socket.destroy();
    hook.links.clear();
    // The hook goes on in the child, which may fork workers, and itself, too.
    onFork(abandon);
  };
  onFork(abandon);
  return hook;
}

/** What importing the package does. Never throws: a program that cannot be profiled as a cluster runs all the same. */
export function prepareCluster(): void {
  try {
    if (isMainThread && process.versions['bun'] === undefined && process.versions['deno'] === undefined) hookCluster();
  } catch {
    // startCluster() says why.
  }
}

function wrap(hook: ClusterHook): void {
  const { cluster } = hook;
  const { fork, setupPrimary } = cluster;
  let insertion: Insertion | undefined;
  let forking = false;

  const settle = (): void => {
    if (insertion === undefined) return;
    const done = insertion;
    insertion = undefined;
    delete process.env[VARIABLE];
    if (cluster.settings === done.ours) cluster.settings = done.settings;
    adopt(hook, done);
  };
  const wrappedSetup = function (this: unknown, ...args: []): void {
    settle();
    // A reference to the original fork that the application has kept comes here too; then the settings are put back before the
    // 'setup' event.
    const keptFork = !forking && args.length === 0 && callerOf(wrappedSetup)().startsWith('node:internal/cluster/');
    if (keptFork) process.nextTick(settle);
    setupPrimary.apply(this as Cluster, args);
    if (forking || keptFork) insertion = insert(hook);
  };
  const wrappedFork = function (this: unknown, ...args: Parameters<Cluster['fork']>): Worker {
    settle();
    forking = true;
    try {
      return fork.apply(this as Cluster, args);
    } finally {
      forking = false;
      settle();
    }
  };
  cluster.setupPrimary = disguise(wrappedSetup, setupPrimary);
  if ('setupMaster' in cluster) (cluster as { setupMaster: unknown }).setupMaster = cluster.setupPrimary;
  cluster.fork = disguise(wrappedFork, fork);
}

/** Tools that print or count a function's arguments see no difference. */
function disguise<T extends (...args: never[]) => unknown>(wrapper: T, original: T): T {
  Object.defineProperty(wrapper, 'name', { value: original.name, configurable: true });
  Object.defineProperty(wrapper, 'length', { value: original.length, configurable: true });
  return wrapper;
}

/** Puts flag and pipe into the settings, unless the worker could not use them. */
function insert(hook: ClusterHook): Insertion | undefined {
  const { cluster } = hook;
  const { settings } = cluster;
  const execArgv = settings.execArgv ?? process.execArgv;
  if (hasPermissionModel(execArgv) || !canReadAgent(settings)) return undefined;
  const stdio = stdioList(settings.stdio, settings.silent);
  if (stdio === undefined) return undefined;
  let order: StartOrder | undefined;
  try {
    order = hook.orderForNew?.();
  } catch {
    // The session that runs does without this worker; the fork must not fail.
  }
  const fd = stdio.length;
  const ours = { ...settings, execArgv: [...execArgv, AGENT_FLAG], stdio: [...stdio, 'pipe'] as StdioOptions as never };
  const setting: AgentSetting = { fd, ...(order === undefined ? {} : { start: order }) };
  cluster.settings = ours;
  process.env[VARIABLE] = JSON.stringify(setting);
  return { settings, ours, fd, order, before: new Set(Object.keys(cluster.workers ?? {})) };
}

/** Node's permission model lets a process read only what it is allowed to: a flag of ours could keep the worker from starting. */
function hasPermissionModel(execArgv: readonly string[]): boolean {
  const { permission } = process as { permission?: unknown };
  return permission !== undefined || execArgv.some((argument) => /^--(experimental-)?permission\b/.test(argument));
}

/**
 * Whether the worker will find the agent: a flag that names a file which it cannot read would be its end. The folder of a release may have been
 * removed since, and a worker with another user or group may read only what everybody may.
 */
function canReadAgent({ uid, gid }: Cluster['settings']): boolean {
  try {
    accessSync(AGENT_FILE, constants.R_OK);
    const same = (uid === undefined || uid === process.getuid?.()) && (gid === undefined || gid === process.getgid?.());
    return same || isReadableByAll(AGENT_FILE);
  } catch {
    return false;
  }
}

function isReadableByAll(file: string): boolean {
  if ((statSync(file).mode & constants.S_IROTH) === 0) return false;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & constants.S_IXOTH) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** The worker's stdio as a list, as `fork` of child_process would make one. Undefined for what `fork` will refuse. */
function stdioList(stdio: unknown, silent: boolean | undefined): unknown[] | undefined {
  if (Array.isArray(stdio)) return stdio.includes('ipc') ? stdio : undefined;
  if (stdio === undefined || stdio === null) return stdioList(silent === true ? 'pipe' : 'inherit', silent);
  const known = stdio === 'ignore' || stdio === 'pipe' || stdio === 'inherit' || stdio === 'overlapped';
  return known ? [stdio, stdio, stdio, 'ipc'] : undefined;
}

/** Takes the pipe over from the worker's process object, where the application would find it. */
function adopt(hook: ClusterHook, { fd, order, before }: Insertion): void {
  for (const [id, worker] of Object.entries(hook.cluster.workers ?? {})) {
    if (worker === undefined || before.has(id)) continue;
    const process = worker.process as unknown as { stdio: unknown[] | undefined } & Pick<ChildProcess, 'once'>;
    const { stdio } = process;
    const socket = stdio?.[fd] as Socket | null | undefined;
    if (stdio === undefined || socket === undefined || socket === null) continue;
    stdio.length = fd;
    const link: Link = { worker, socket, order, onData: undefined };
    socket.unref();
    socket.on('error', () => undefined);
    socket.once('close', () => hook.links.delete(worker.id));
    socket.on('data', (chunk: Buffer) => link.onData?.(chunk));
    process.once('exit', () => {
      hook.links.delete(worker.id);
      // A process that the worker has forked may hold the pipe open; the worker's 'close' event shall not wait for it.
      setTimeout(() => socket.destroy(), DRAIN_MS).unref();
    });
    hook.links.set(worker.id, link);
    hook.onLink?.(link);
  }
}

/** How long what a worker has said last may be under way after its end, in milliseconds. */
const DRAIN_MS = 500;
