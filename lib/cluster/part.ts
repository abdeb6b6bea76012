/**
 * The door to what a cluster session needs, in the primary and in its workers: loaded where one begins (lib/on-demand.ts). What importing the package does in a
 * primary is hook.ts.
 */
export { profileSession, startSession } from './start.js';
export { serveCluster } from './worker.js';
