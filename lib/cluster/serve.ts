/**
 * The worker's half of a cluster session, for the agent: what there is to it is loaded when the primary first speaks.
 */
import { cluster } from '../on-demand.js';
import type { WorkerHalf } from './wire.js';

/** See worker.ts. */
export const serveCluster: WorkerHalf['serveCluster'] = (socket, setting) => cluster().serveCluster(socket, setting);
