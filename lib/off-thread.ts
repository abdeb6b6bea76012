/**
 * Waits for what the native half makes on another thread, by looking for it now and then.
 *
 * Nothing wakes the event loop from outside: what does such a thing (a threadsafe function, a descriptor) has locks and queues that a child of a fork would have of its parent. A
 * timer is JavaScript's own. It keeps the loop alive, as the promise of a work that is under way does.
 *
 * Fork: in the child the native half knows nothing of the work, so the first look there ends it.
 */
import { withResolvers } from './with-resolvers.js';

// At the import: an application's tests may put clocks of their own in place of the timers. Not those of timers/promises, which hardly any program has called before.
const { setTimeout } = process.getBuiltinModule('node:timers');

/** The first pause, in milliseconds; each is twice as long as the one before. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 16;

interface Waiting<T> {
  look(): T | undefined;
  resolve(found: T): void;
  reject(error: unknown): void;
}

/**
 * @param look undefined as long as it is not there. What it throws, the promise rejects with
 */
export function offThread<T>(look: () => T | undefined): Promise<T> {
  const { promise, resolve, reject } = withResolvers<T>();
  wait({ look, resolve, reject }, FIRST_PAUSE_MS);
  return promise;
}

function wait<T>(waiting: Waiting<T>, pauseMs: number): void {
  setTimeout(lookAgain<T>, pauseMs, waiting, pauseMs);
}

function lookAgain<T>(waiting: Waiting<T>, pauseMs: number): void {
  try {
    const found = waiting.look();
    if (found === undefined) wait(waiting, Math.min(2 * pauseMs, LONGEST_PAUSE_MS));
    else waiting.resolve(found);
  } catch (error) {
    waiting.reject(error);
  }
}
