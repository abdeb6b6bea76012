/**
 * What a part of this package has to offer so that a fork leaves nothing of the parent's in the child, and the order in which the parts
 * are reset.
 *
 * Whoever keeps something that changes, or has a hook in the process, is a component: it implements ForkComponent, keeps what a fork resets
 * in one object that is replaced whole by its default, has a place in ORDER, and joins the chain (chain.ts) while it has anything to reset.
 */
import type { PronghornError } from '../errors.js';
import type { ClockReading, ForkState } from '../native-api.js';

/**
 * The order, for each round of the chain. The first four are the native half's and have to stand in this order.
 *
 * The profiler is last: its start makes the process its own, so everything else has to be done by then. Promises reject just before it.
 */
export const ORDER = [
  'collector',
  'recorder',
  'binding',
  'files',
  'profile sequence',
  'uploads',
  'queues',
  'identity',
  'execve',
  'workers',
  'labels',
  'whole program',
  'cluster',
  'scheduler',
  'promises',
  'profiler',
] as const;

/** A component's name. */
export type ComponentName = (typeof ORDER)[number];

/** What is decided, once per fork, about the child. */
export interface Verdict {
  /** Whether the profiler starts again. */
  readonly restart: boolean;
  /** If not, why: a phrase that ends the sentence "the profiler is off because …". */
  readonly reason: string | undefined;
  /** Set if nothing may ever start here: what start() throws. */
  readonly refusal: PronghornError | undefined;
}

/** One reset. */
export interface Reset {
  /** The clocks at the reset, read once: where the child's first period begins. */
  readonly reading: ClockReading;
  readonly fork: ForkState;
  readonly verdict: Verdict;
}

/** A component. Nothing here may wait, and whatever throws ends this attempt: all of it is tried again from the beginning. */
export interface ForkComponent {
  readonly name: ComponentName;
  /** Round one: takes back every hook, listener and handler. Doing it twice is doing it once. Must not need any other component. */
  hooksOff(): void;
  /** Round two, when no hook of any component is left: forgets what was the parent's. */
  resetAfterFork(reset: Reset): void;
  /** Round three, only if the profiler starts again: what hooksOff() took back. */
  start?(reset: Reset): void;
  /** After round three: what can only be done while the profiler runs. A failure is published and changes nothing else. */
  started?(): void;
}
