/**
 * The labels that every sample of a process carries, so that the profiles of several processes can be put together.
 */
import type { Cluster } from 'node:cluster';
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

/**
 * The number of this process in its cluster, if it is a worker of one.
 *
 * The module is loaded only where it can say yes: a cluster worker has been started with an IPC channel.
 */
export function clusterWorkerId(): number | undefined {
  if (process.send === undefined) return undefined;
  return (process.getBuiltinModule('node:cluster') as unknown as Cluster).worker?.id;
}
