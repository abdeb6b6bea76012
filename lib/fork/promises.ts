/**
 * The promises that this package has given out and that are not settled.
 *
 * Work that was under way on another thread at a fork never calls back in the child, and what a timer or a microtask would still deliver
 * there is the parent's. So each promise is one of ours, around the work: in the parent it settles as the work does, in the child it rejects with
 * ERR_PRONGHORN_FORKED.
 */
import { PronghornError } from '../errors.js';
import { withResolvers } from '../with-resolvers.js';
import type { ForkChain } from './chain.js';
import type { ForkComponent } from './component.js';
import { inOwnProcess } from './own-process.js';

/** What to do when the work ends. Neither of the first two is called in a child for work of its parent. */
export interface Ending<Result, T> {
  /** Makes the promise's value. Where it throws, the promise rejects. */
  deliver(result: Result): T;
  /** Makes the promise's error. */
  fail?(error: unknown): unknown;
  /** In a child: puts away what the work has left in the process, such as a timer. */
  abandon?(): void;
  /** Whether the profiler is off while this is pending, so that the native half does not notice a fork by itself. */
  unwatched?: boolean;
}

/** How often an unwatched promise looks whether it is in a child, in milliseconds; after a reset that failed, after twice as long, and so on. */
const WATCH_MS = 20;
/** The longest such pause. */
const LONGEST_WATCH_MS = 60_000;

/** One promise that is not settled. */
interface Pending {
  readonly promise: Promise<unknown>;
  reject(error: unknown): void;
  abandon(): void;
}

/** One per thread. */
export class Promises implements ForkComponent {
  readonly name = 'promises';
  readonly #chain: ForkChain;
  #pending = new Set<Pending>();

  constructor(chain: ForkChain) {
    this.#chain = chain;
  }

  /** A promise for work that is under way. */
  track<Result, T>(work: Promise<Result>, ending: Ending<Result, T>): Promise<T> {
    const { promise, resolve, reject } = withResolvers<T>();
    const endWatch = ending.unwatched === true ? this.watch() : () => undefined;
    const abandon = (): void => {
      endWatch();
      ending.abandon?.();
    };
    const pending: Pending = { promise, reject, abandon };
    this.#pending.add(pending);
    const settle = (how: () => void): void => {
      // A fork may lie between the end of the work and this.
      if (!inOwnProcess(this.#chain) || !this.#pending.delete(pending)) return;
      endWatch();
      try {
        how();
      } catch (error) {
        reject(error);
      }
    };
    work.then(
      (result) => settle(() => resolve(ending.deliver(result))),
      (error: unknown) => settle(() => reject(ending.fail?.(error) ?? error)),
    );
    return promise;
  }

  /**
   * Looks for a fork now and then, for work that goes on while the profiler is off, and nothing else would notice one.
   *
   * @returns a function that ends it
   */
  watch(): () => void {
    let pause = WATCH_MS;
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    const wait = (): void => {
      timer = setTimeout(look, pause).unref();
    };
    const look = (): void => {
      pause = inOwnProcess(this.#chain) ? WATCH_MS : Math.min(2 * pause, LONGEST_WATCH_MS);
      // The reset may have ended it.
      if (!over) wait();
    };
    wait();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }

  hooksOff(): void {
    // The timers go with their promises: they only ever call the chain, and do so again where it fails.
  }

  resetAfterFork(): void {
    const all = this.#pending;
    this.#pending = new Set();
    for (const { promise, reject, abandon } of all) {
      // A program that does not look at the promise in the parent shall not die of it in the child.
      promise.catch(() => undefined);
      abandon();
      reject(new PronghornError('ERR_PRONGHORN_FORKED', 'this process was forked off while its parent waited for a profile; the parent gets it'));
    }
  }
}
