/**
 * Whether this is the main thread, without `node:worker_threads`: that module brings Node's streams with it, which is 1.2 ms and 0.4 MB in a process
 * that has not loaded them. A worker has them anyway, so there it is asked.
 */

/** A function that acts on the whole process; in a worker Node replaces it by one that has this property. */
type OfProcess = (() => unknown) & { disabled?: boolean };

/** What every worker has loaded before its first line, and the main thread only where it has to do with workers. */
const OF_WORKERS = 'NativeModule internal/worker/io';

export const isMainThread = !mayBeWorker(process as never) || process.getBuiltinModule('node:worker_threads').isMainThread;

/** True in every worker. Where a program has replaced the functions, or a Node has no such list, one of the two is still there to see. */
export function mayBeWorker({ abort, chdir, moduleLoadList }: { abort?: OfProcess; chdir?: OfProcess; moduleLoadList?: readonly string[] }): boolean {
  if (abort?.disabled !== undefined || chdir?.disabled !== undefined) return true;
  return moduleLoadList === undefined || moduleLoadList.includes(OF_WORKERS);
}
