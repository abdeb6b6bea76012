/**
 * withLabels(): labels for every sample that is taken in a function and in the asynchronous work that it starts.
 *
 * A set of labels has a number, which the native half gives (crates/pronghorn-sampler/src/labels/table.rs) and which follows the work
 * (tracking.ts). Here the way from labels to their number is remembered, key by key, so that a call with labels which have been seen makes
 * no text, no array of texts and no native call: it asks two maps for each label. What is remembered is bounded, and forgotten all at once.
 *
 * Fork: the child is in the middle of the same work, so numbers and tracking go on; what is remembered is not needed.
 */
import { InvalidOptionError } from '../errors.js';
import type { ForkComponent } from '../fork/component.js';
import { checkLabels, isPlain, type Pair } from './rules.js';
import { type LabelTracking, trackLabels } from './tracking.js';
import type { NativeApi } from '../native-api.js';

/** Characters of a value that are kept. */
const LONGEST_VALUE = 512;
/** Steps that are remembered on a thread, before all are forgotten. */
const MOST_STEPS = 8_192;

/** Where a number of labels, one after the other, has led to. */
interface Step {
  /** Their set; -1 if it has not been asked for. */
  set: number;
  /** By key and value. */
  next: Map<string, Map<string, Step>> | undefined;
}

/** What a thread shares among all copies of this package. */
interface Labelling {
  readonly native: NativeApi;
  readonly tracking: LabelTracking;
  /** Counts the sets of the process, and says which number stands in each place and when it was last used. */
  readonly tick: Uint32Array;
  readonly tags: Uint32Array;
  readonly used: Uint32Array;
}

/** The way to the native half. */
export interface Door {
  /** @throws where there is none */
  load(): NativeApi;
  /** Resets a process that has been forked off and has not been reset; returns whether it did. */
  resetAfterFork(native: NativeApi): boolean;
}

interface State {
  labelling: Labelling | undefined;
  /** The first step for each set that was in force. */
  first: Map<number, Step>;
  steps: number;
}

const fresh = (labelling: Labelling | undefined): State => ({ labelling, first: new Map(), steps: 0 });

/** The labels of one thread. */
export class LabelScopes implements ForkComponent {
  readonly name = 'labels';
  #state = fresh(undefined);

  /** See index.ts. */
  run<T>(door: Door, labels: Readonly<Record<string, string>>, fn: () => T): T {
    const labelling = this.#state.labelling ?? this.#begin(door, labels);
    if (labelling === undefined) return fn();
    const outer = labelling.tracking.current();
    const set = this.#known(labelling, outer, labels) ?? this.#learn(door, labelling, outer, labels);
    return set === outer ? fn() : labelling.tracking.run(set, fn);
  }

  hooksOff(): void {
    // What follows the work changes nothing but a number that nobody reads until the profiler runs again.
  }

  resetAfterFork(): void {
    this.#state = fresh(this.#state.labelling);
  }

  /** Where there is no native half, or none that works just now, `fn` still runs, and wrong labels are still refused. */
  #begin(door: Door, labels: unknown): Labelling | undefined {
    checkLabels(labels);
    try {
      const native = door.load();
      door.resetAfterFork(native);
      const shared = native.registry() as { labelling?: Labelling };
      return (this.#state.labelling = shared.labelling ??= begin(native));
    } catch {
      return undefined;
    }
  }

  /** The set of labels that have been used before. */
  #known({ tags, used, tick }: Labelling, outer: number, labels: Readonly<Record<string, string>>): number | undefined {
    let step = this.#state.first.get(outer);
    if (step === undefined || typeof labels !== 'object' || labels === null || !isPlain(labels)) return undefined;
    for (const key in labels) {
      step = step.next?.get(key)?.get(labels[key]!);
      if (step === undefined) return undefined;
    }
    const { set } = step;
    const place = set & (tags.length - 1);
    if (set === 0) return set;
    if (tags[place] !== set) return undefined;
    used[place] = tick[0]!;
    return set;
  }

  /** @throws InvalidOptionError */
  #learn(door: Door, labelling: Labelling, outer: number, labels: unknown): number {
    const pairs = checkLabels(labels);
    const set = intern(door, labelling.native, outer, pairs);
    if (set === undefined) return outer;
    const { used, tick } = labelling;
    // Whoever is inside another scope keeps it alive.
    if (outer !== 0 && labelling.tags[outer & (used.length - 1)] === outer) used[outer & (used.length - 1)] = tick[0]!;
    if (pairs.every(([, value]) => value.length <= LONGEST_VALUE)) this.#remember(outer, pairs, set);
    return set;
  }

  #remember(outer: number, pairs: readonly Pair[], set: number): void {
    if (this.#state.steps >= MOST_STEPS) this.#state = fresh(this.#state.labelling);
    const state = this.#state;
    const child = (): Step => {
      state.steps += 1;
      return { set: -1, next: undefined };
    };
    let step = state.first.get(outer);
    if (step === undefined) state.first.set(outer, (step = child()));
    for (const [key, value] of pairs) {
      step.next ??= new Map();
      let values = step.next.get(key);
      if (values === undefined) step.next.set(key, (values = new Map()));
      let next = values.get(value);
      if (next === undefined) values.set(value, (next = child()));
      step = next;
    }
    step.set = set;
  }
}

/** The scopes of this thread. */
export const labelScopes = new LabelScopes();

function begin(native: NativeApi): Labelling {
  const words = native.labelTable();
  const places = (words.length - 2) / 2;
  return {
    native,
    tracking: trackLabels(native),
    tick: words.subarray(0, 1),
    tags: words.subarray(2, 2 + places),
    used: words.subarray(2 + places),
  };
}

/** @returns undefined where the native half cannot say: the work then keeps the labels that it has */
function intern(door: Door, native: NativeApi, outer: number, pairs: readonly Pair[]): number | undefined {
  const flat = pairs.flatMap(([key, value]) => [key, value.slice(0, LONGEST_VALUE)]);
  try {
    return native.internLabels(outer, flat);
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'ERR_PRONGHORN_INVALID_OPTION') throw new InvalidOptionError('labels', Object.fromEntries(pairs), message ?? 'fewer', message);
  }
  try {
    // A child of a fork that has not been reset yet.
    return door.resetAfterFork(native) ? native.internLabels(outer, flat) : undefined;
  } catch {
    return undefined;
  }
}
