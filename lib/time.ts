/**
 * Time, as the scheduler and the queues of profiles see it. Tests put another one in its place.
 *
 * Nothing depends on the clock of the day, which may be set. A machine that sleeps, or an event loop that stands still, makes timers come late; they come once.
 *
 * Fork: timers of the parent's come in its child, too, before the event loop first polls and the child is reset. Those that were set here find that out, and
 * reset it.
 */
import type { ForkChain } from './fork/chain.js';
import { inOwnProcess } from './fork/own-process.js';

/** Milliseconds. A longer timer comes at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** Takes a timer back. Doing it twice, or after it has come, does nothing. */
export type Cancel = () => void;

/** What a component needs of it. */
export interface Time {
  /** Monotonic milliseconds. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Whether this is the process that the component's state belongs to; resets a child that has not been reset. */
  inOwnProcess(): boolean;
  /** Does something later, if the process is still the same. Does not keep the process alive. */
  after(ms: number, act: () => void): Cancel;
  /** The same for the end of somebody's patience: what has come in until then counts, also where a late timer overtakes it. Keeps the process alive. */
  deadline(ms: number, act: () => void): Cancel;
}

/** The real one. */
export function timeOf(chain: Pick<ForkChain, 'resetAfterFork'>): Time {
  /** Both let go of what a reset has taken back, also of the timer that has just brought the reset about. */
  const arm = (set: (come: () => void) => () => void, act: () => void): Cancel => {
    const end = { over: false };
    const clear = set(() => {
      if (inOwnProcess(chain) && !end.over) act();
    });
    return () => {
      end.over = true;
      clear();
    };
  };
  return {
    now: () => performance.now(),
    random: Math.random,
    inOwnProcess: () => inOwnProcess(chain),
    after: (ms, act) =>
      arm((come) => {
        const timer = setTimeout(come, ms).unref();
        return () => clearTimeout(timer);
      }, act),
    deadline: (ms, act) => arm((come) => afterPoll(ms, come), act),
  };
}

/** A timer that lets the event loop poll once more before it acts: after a stall it comes before what has arrived meanwhile is read. */
export function afterPoll(ms: number, act: () => void, { unref = false } = {}): Cancel {
  const end = { over: false };
  const come = (): void => {
    if (!end.over) act();
  };
  const timer = setTimeout(() => setImmediate(() => setImmediate(come)), ms);
  if (unref) timer.unref();
  return () => {
    end.over = true;
    clearTimeout(timer);
  };
}
