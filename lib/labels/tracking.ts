/**
 * Which set of labels the running code has, on one thread: a small integer that follows it through its asynchronous work, and that the signal
 * handler can read. There are two ways, and which one a thread goes is found out by trying, not by Node's version:
 *
 * 1. Where Node keeps asynchronous contexts in V8 (AsyncContextFrame: the default from 24 on, a flag on 22), the number is the store of an
 *    AsyncLocalStorage of ours. The native half finds it in V8's memory. Nothing of ours runs between two callbacks.
 * 2. Elsewhere (20, 22, `--no-async-context-frame`) async_hooks say which context begins and ends to run, and the number is kept in a word of
 *    memory. The hook is made at the first use and stays: nobody can tell when the last work that carries a number is gone.
 *
 * Plain numbers, because then nothing but V8's small integers has to be read: no object, no string, no allocation in a sample.
 */
import { AsyncLocalStorage, createHook, executionAsyncResource } from 'node:async_hooks';
import type { NativeApi } from '../native-api.js';

/** One way. Other copies of this package use it: only add to it. */
export interface LabelTracking {
  readonly kind: 'store' | 'word';
  /** The number of the set that the running code has; 0 for none. */
  current(): number;
  /** Runs `fn`, and all asynchronous work that it starts, with another set. Returns what `fn` returns, throws what it throws. */
  run<T>(set: number, fn: () => T): T;
}

/** Small integers that no counter comes to by chance, for the search: that the same place says one after the other is proof enough. */
const PROBES = [0x2b8e_17d5, 0x1d3f_a96b, 0x3c51_6e0f] as const;

/** The way of the calling thread; to be called once on each. */
export function trackLabels(native: NativeApi): LabelTracking {
  return trackStore(native) ?? trackWord(native);
}

function trackStore(native: NativeApi): LabelTracking | undefined {
  const storage = new AsyncLocalStorage<number>();
  const [first, second, third] = PROBES;
  const place = storage.run(first, () => native.findLabelStore(storage, first));
  if (place === 0) return disabled(storage);
  // In another frame, around which there is one that says something else; and out of all of them.
  const again = storage.run(third, () => storage.run(second, () => native.findLabelStore(storage, second)));
  const outside = native.findLabelStore(storage, first) !== 0 || native.findLabelStore(storage, second) !== 0;
  if (again !== place || outside) return disabled(storage);
  if (storage.run(third, () => native.trackLabelStore(storage, third)) !== place) return disabled(storage);
  return {
    kind: 'store',
    current: () => storage.getStore() ?? 0,
    run: (set, fn) => storage.run(set, fn),
  };
}

/** It would cost something at each asynchronous resource, where there are no frames. */
function disabled(storage: AsyncLocalStorage<number>): undefined {
  storage.disable();
}

/** Where a resource keeps the number of the set in which it was made. */
const SET = Symbol('pronghorn.labels');

type Resource = { [SET]?: number };

function trackWord(native: NativeApi): LabelTracking {
  // Behind a buffer of its own: a small typed array would lie in V8's heap, and move.
  const word = new Uint32Array(new ArrayBuffer(64));
  native.trackLabelWord(word);
  // The contexts that are interrupted, outermost first: id and set. Typed arrays, because these two functions run around every await of the program.
  const ids = new Float64Array(MOST_NESTED);
  const sets = new Uint32Array(MOST_NESTED);
  let depth = 0;
  createHook({
    init(_id, _type, _trigger, resource: Resource) {
      const set = word[0]!;
      if (set === 0) return;
      try {
        resource[SET] = set;
      } catch {
        // A frozen one of the application's. What a hook throws ends the process.
      }
    },
    before(id) {
      ids[depth] = id;
      sets[depth] = word[0]!;
      depth = (depth + 1) % MOST_NESTED;
      word[0] = (executionAsyncResource() as Resource | undefined)?.[SET] ?? 0;
    },
    after(id) {
      let at = depth - 1;
      // A context that throws may never end by itself; whatever ends around it ends it too.
      while (at >= 0 && ids[at] !== id) at -= 1;
      // Where it is not found, it had begun before the hook was made.
      depth = Math.max(at, 0);
      word[0] = at < 0 ? 0 : sets[at]!;
    },
  }).enable();
  return {
    kind: 'word',
    current: () => word[0]!,
    run(set, fn) {
      const outer = word[0]!;
      word[0] = set;
      try {
        return fn();
      } finally {
        word[0] = outer;
      }
    },
  };
}

/** Contexts inside each other; more are none, but ends that did not come. */
const MOST_NESTED = 1_024;
