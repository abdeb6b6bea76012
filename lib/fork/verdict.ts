/**
 * Whether the profiler starts again in a child, by what it did in the parent and by what the application wants.
 */
import { PronghornError } from '../errors.js';
import type { Verdict } from './component.js';
import type { ForkState } from '../native-api.js';
import type { Entry, Owner } from '../registry.js';

/**
 * Decides.
 *
 * @param entry the parent's profiler as the child has inherited it, or undefined if none ran. One that had failed starts afresh.
 * @param fork what the native half knows of the fork
 */
export function verdictOn(entry: Entry | undefined, fork: ForkState): Verdict {
  if (fork.late) {
    const reason = 'the fork caught a native thread of the profiler that may have been inside V8 and holds its lock for ever';
    const refusal = new PronghornError('ERR_PRONGHORN_FORKED', `nothing can be profiled in this forked process: ${reason}`);
    return { restart: false, reason, refusal };
  }
  const reason = whyNot(entry);
  return { restart: reason === undefined, reason, refusal: undefined };
}

function whyNot(entry: Entry | undefined): string | undefined {
  if (entry === undefined) return 'it did not run in the parent';
  if (entry.stopping === true) return 'stop() was under way in the parent';
  if (entry.exclusive) return notOwned(entry.owner);
  if (entry.profiler.options.afterFork === 'stop') return "the option afterFork is 'stop'";
  return undefined;
}

/**
 * A profiler that somebody has to himself ends with him, and he is in the parent. A session of the cluster ends at the fork too: a session consists of
 * the primary and its workers, each with a pipe of its own to the primary, and a process that one of them forks off is neither.
 */
function notOwned(owner: Owner = 'profile()'): string {
  if (owner === 'profile()') return 'profile() was under way in the parent, whose caller alone gets its profile';
  return `it ran in the parent for a session of ${owner}, which this process has no part in`;
}
