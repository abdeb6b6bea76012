/**
 * What a cluster worker preloads (`--require`) when it was forked after its primary had imported this package. It is dormant: it takes
 * over one end of a pipe, which keeps nothing alive, and waits for the primary to speak. Only then is the rest of the package loaded.
 *
 * CommonJS and `--require`, because `--import` would send the application's own entry through the ES module loader, where require hooks for
 * other languages do not work. Everything that tells of this file is taken back before the application's first line, so that it
 * does not leak into the worker's own children: the flag from `process.execArgv`, the variable from `process.env`. Worker threads inherit the
 * flag nevertheless; there is no variable in them, and nothing happens.
 *
 * Nothing here may throw: it would end the worker.
 */
import type { AgentSetting, WorkerHalf } from './cluster/wire.js' with { 'resolution-mode': 'import' };

const { isMainThread } = process.getBuiltinModule('node:worker_threads');

/** Set for this process alone by lib/cluster/hook.ts, which has the name too. */
const VARIABLE = 'PRONGHORN_CLUSTER_AGENT';

/** Where lib/cluster/fork.ts finds what a fork has to abandon. */
const AGENT = Symbol.for('pronghorn.clusterAgent');

try {
  leaveNoTrace();
  const text = process.env[VARIABLE];
  if (text !== undefined) {
    delete process.env[VARIABLE];
    if (isMainThread) takeOver(JSON.parse(text) as AgentSetting);
  }
} catch {
  // The primary names this worker as one that does not answer.
}

function leaveNoTrace(): void {
  const isOurs = (argument: string): boolean => argument.startsWith('--require=') && argument.endsWith('cluster-agent.cjs');
  const at = process.execArgv.findLastIndex(isOurs);
  if (at !== -1) process.execArgv.splice(at, 1);
  const { _preload_modules: preloaded } = process as { _preload_modules?: unknown };
  if (Array.isArray(preloaded)) {
    const index = preloaded.lastIndexOf(__filename);
    if (index !== -1) preloaded.splice(index, 1);
  }
  delete require.cache[__filename];
}

function takeOver(setting: AgentSetting): void {
  const { fstatSync } = process.getBuiltinModule('node:fs');
  const { Socket } = process.getBuiltinModule('node:net');
  if (!fstatSync(setting.fd).isSocket()) return;
  const socket = new Socket({ fd: setting.fd, readable: true, writable: true });
  socket.unref();
  socket.on('error', () => undefined);
  Object.defineProperty(process, AGENT, { value: { abandon: () => socket.destroy() }, configurable: true });
  const serve = ({ serveCluster }: WorkerHalf): void => serveCluster(socket, setting);
  if (setting.start !== undefined) {
    wake(serve);
    return;
  }
  socket.once('readable', () => wake(serve));
}

/** A worker that is forked while a session runs is profiled from its first line on: that needs a synchronous load. */
function wake(serve: (half: WorkerHalf) => void): void {
  try {
    const half = require('./core.js') as WorkerHalf;
    delete require.cache[require.resolve('./core.js')];
    serve(half);
  } catch {
    // A Node.js that was told not to require() ES modules.
    import('./core.js').then(serve, () => undefined);
  }
}
