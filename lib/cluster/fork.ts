/**
 * What a fork(2) must not leave in the child of the cluster sessions: sockets whose other end talks with the parent, files of the parent's, the
 * listener for the process's end. The child gives all of it up without a word; nothing is written, and no file is removed.
 *
 * Closing a socket of Node's sends nothing as long as the parent has it open too.
 */

/** A process that knows of the dormant agent (lib/cluster-agent.cts), which has no module of this package loaded. */
type WithAgent = { [key: symbol]: { abandon(): void } | undefined };

const AGENT = Symbol.for('pronghorn.clusterAgent');

/** What a child gives up; empty again after a reset. */
let abandons = new Set<() => void>();

/**
 * Registers what a child has to give up.
 *
 * @param abandon must not write or wait, and has no reason to throw; runs at most once
 * @returns a function that takes it back
 */
export function onFork(abandon: () => void): () => void {
  abandons.add(abandon);
  return () => abandons.delete(abandon);
}

/** The cluster session's part in the reset after a fork. */
export const clusterComponent = {
  name: 'cluster',
  hooksOff(): void {
    const all = abandons;
    abandons = new Set();
    (process as unknown as WithAgent)[AGENT]?.abandon();
    // Each is given up, whatever becomes of the others: a second attempt would find the list empty.
    const failures: unknown[] = [];
    for (const abandon of all) {
      try {
        abandon();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  },
  resetAfterFork(): void {
    // A child has no session; all that was one went with its hooks. What is registered by now is the child's own.
  },
} as const;
