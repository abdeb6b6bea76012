/**
 * For what comes by itself, from a timer, a promise or the event loop: it may be the parent's, in a child that has not been reset yet.
 */
import type { ForkChain } from './chain.js';

/**
 * Whether this process is the one that what was begun in it belongs to, if need be after a reset. Never throws: why a reset has failed was published, the
 * next call into the API throws it, and whoever asks again tries again.
 */
export function inOwnProcess(chain: Pick<ForkChain, 'resetAfterFork'>): boolean {
  try {
    chain.resetAfterFork();
    return true;
  } catch {
    return false;
  }
}
