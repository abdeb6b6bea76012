/**
 * The labels that every sample of a process carries, so that the profiles of several processes can be put together.
 */
import type cluster from 'node:cluster';
import { createRequire } from 'node:module';
import type { NumberLabel } from './native-api.js';

/**
 * @param pid the real one
 */
export function processLabels(pid: number): NumberLabel[] {
  const labels = [{ key: 'process id', number: pid }];
  const worker = clusterWorkerId();
  if (worker !== undefined) labels.push({ key: 'cluster worker id', number: worker });
  return labels;
}

/** The module is loaded only where it can say yes: a cluster worker has been started with an IPC channel. */
function clusterWorkerId(): number | undefined {
  if (process.send === undefined) return undefined;
  const { worker } = createRequire(import.meta.url)('node:cluster') as typeof cluster;
  return worker?.id;
}
