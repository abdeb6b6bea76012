/**
 * All that runs inside somebody else's program, behind one door. The published package holds what every program needs of it as one module, and the rest in
 * parts (on-demand.ts; scripts/parts.mjs says why), so whatever comes in by another door, `pronghorn`, `pronghorn/register` or the agent of a cluster
 * worker, meets the same state.
 */
export { createApi, prepare } from './api.js';
export { createClusterApi } from './cluster/api.js';
export { prepareCluster } from './cluster/hook.js';
export { serveCluster } from './cluster/serve.js';
export { ExportError } from './export/exporter.js';
export { AbortedError, AlreadyStartedError, InvalidOptionError, PronghornError, WorkerUnreachableError } from './errors.js';
export { isMainThread } from './main-thread.js';
export { loadNative } from './native.js';
export { workers } from './threads.js';
export { profileWholeProgram } from './register.js';
export { createLabels } from './labels/with-labels.js';
export { joinAsWorker } from './worker.js';
