/**
 * Switches the native collector on and off, and turns its errors into this package's.
 */
import { fromNative, nativeCode, PronghornError } from './errors.js';
import type { Identity } from './identity.js';
import { processLabels } from './process-labels.js';
import type { Capabilities, ClockReading, NativeApi, NativeProfile, NativeStartOptions, Stats } from './native-api.js';
import { offThread } from './off-thread.js';
import type { ResolvedOptions, TestOptions } from './options.js';
import { workers } from './threads.js';
import type { Unsettled } from './unsettled.js';
import { VERSION } from './version.js';

// At the import: an application's tests may put clocks of their own in place of the timers.
const { setImmediate } = process.getBuiltinModule('node:timers');

/** What a start needs. */
export interface CollectorStart {
  options: ResolvedOptions;
  test: TestOptions;
  identity: Identity;
  /** When the first period begins; now if it is undefined. */
  reading: ClockReading | undefined;
  /** How long a profile may wait for what it can do without, if the caller has a limit. */
  patienceMs: number | undefined;
  /** Called at most once, later, if the native half has to switch itself off. */
  onFailure: (error: PronghornError) => void;
  /** Called in a child of a fork, before its event loop first polls. */
  onFork: () => void;
  /** The file for reports of stalls; standard error if it is undefined. */
  stallFile: string | undefined;
  /** Called when a stall is over. */
  onStall: () => void;
}

/** What a stop has left to resolve of this thread's is resolved in turns of the event loop for that long, and then in one go. */
const LONGEST_RESOLVE_MS = 250;

/** The one user of the native half's start, rotate and stop. Keeps nothing itself. */
export class Collector {
  readonly #native: NativeApi;

  constructor(native: NativeApi) {
    this.#native = native;
  }

  /** Starts sampling all that runs on this thread. Fresh clocks, slots and statistics. */
  start({ options, test, identity, reading, patienceMs, onFailure, onFork, stallFile, onStall }: CollectorStart): Capabilities {
    const { failResetStep: _step, resetReading: _reading, ...nativeTest } = test;
    const native: NativeStartOptions = {
      intervalNanos: options.intervalMicros * 1_000,
      maxDepth: options.maxDepth,
      nativeFrames: options.nativeFrames,
      threads: options.threads,
      sourceMaps: options.sourceMaps,
      ...(patienceMs === undefined ? {} : { sourceMapPatienceNanos: patienceMs * 1_000_000 }),
      ...(options.stallThresholdMs === 0 ? {} : { stallThresholdNanos: options.stallThresholdMs * 1_000_000 }),
      ...(stallFile === undefined ? {} : { stallOutput: stallFile }),
      versions: `pronghorn ${VERSION}, node ${process.version}, v8 ${process.versions.v8}`,
      comments: identity.comments,
      labels: processLabels(identity.pid),
      ...(reading === undefined ? {} : { reading }),
      ...nativeTest,
    };
    const failed = fromLoop((code: string, message: string) => onFailure(new PronghornError(nativeCode(code), message)));
    const capabilities = this.#sync(() => this.#native.start(native, layoutProbe, failed, fromLoop(onFork), fromLoop(onStall)));
    if (options.threads === 'all') workers.tell(this.#native);
    return capabilities;
  }

  /**
   * Ends this period and begins the next; what was collected arrives once another thread has serialized it. Null if takeFinished() has fetched it.
   *
   * @param making is told before anything else can come in between: also in the call
   */
  rotate(making: Unsettled): Promise<NativeProfile | null> {
    return this.#async(async () => this.#finished(this.#native.rotate(), making));
  }

  /** The same, serialized on this thread; waits for a rotation that is under way. */
  rotateSync(): NativeProfile {
    return this.#afterRotation(() => this.#native.rotateSync());
  }

  /**
   * Switches sampling off before it returns; the last period arrives once another thread has serialized it. Otherwise as rotate().
   *
   * @param isOver whether somebody else has seen to it, or this is a child
   */
  stop(making: Unsettled, isOver: () => boolean): Promise<NativeProfile | null> {
    workers.silence();
    return this.#async(async () => {
      const work = this.#native.stop(false) ?? (await this.#stopLater(making, isOver));
      return work === undefined ? null : this.#finished(work, making);
    });
  }

  /** Sampling is off, and this thread has something left to resolve: a little in each turn of the event loop. */
  async #stopLater(making: Unsettled, isOver: () => boolean): Promise<number | undefined> {
    const until = performance.now() + LONGEST_RESOLVE_MS;
    making.isPostponed = true;
    for (;;) {
      await nextTurn();
      if (isOver()) return undefined;
      const work = this.#native.stop(performance.now() >= until);
      if (work === null) continue;
      making.isPostponed = false;
      return work;
    }
  }

  /**
   * The profile of a rotation or stop that is under way, by its number. Its counters are fetched in one turn of the event loop (up to 0.4 ms the first time, docs/measurements.md), and the
   * profile in the next, with all that its promise sets off. Until then the native half has it, for whoever cannot wait.
   */
  async #finished(work: number, making: Unsettled): Promise<NativeProfile | null> {
    const stats = await offThread(() => this.#native.finishedStats(work));
    await nextTurn();
    const finished = this.#native.finishedProfile(work);
    if (!finished) return null;
    const profile = Object.assign(finished, { stats: stats! });
    making.arrived(profile);
    return profile;
  }

  /** Switches sampling off and serializes on this thread. */
  stopSync(): NativeProfile {
    workers.silence();
    return this.#afterRotation(() => this.#native.stopSync());
  }

  /** What a rotate() or stop() under way brings, for the end of a process, in which its promise never settles. Undefined if none is under way. */
  takeFinished(): NativeProfile | undefined {
    return this.#afterRotation(() => this.#native.takeFinished()) ?? undefined;
  }

  /** After a stop, while something goes on that a child must not go on with: `onFork` is called as it is while the profiler runs. */
  watchForks(onFork: () => void): void {
    this.#sync(() => this.#native.watchForks(() => undefined, fromLoop(onFork)));
  }

  /** Ends that. */
  endWatch(): void {
    this.#sync(() => this.#native.endWatch());
  }

  /** The counters since start(). */
  stats(): Stats {
    return this.#sync(() => this.#native.stats());
  }

  /** What works in this process, as of now. */
  capabilities(): Capabilities {
    return this.#sync(() => this.#native.capabilities());
  }

  /** What waits for a rotation, as it does, a second at most, says what it has waited for. */
  #afterRotation<T>(call: () => T): T {
    try {
      return this.#sync(call);
    } catch (error) {
      if (!(error instanceof PronghornError) || error.code !== 'ERR_PRONGHORN_ROTATION_IN_PROGRESS') throw error;
      throw new PronghornError(error.code, 'a period is lost: a rotation under way has not come to its end within a second', { cause: error });
    }
  }

  #sync<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw fromNative(error);
    }
  }

  async #async<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw fromNative(error);
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/**
 * A function that the native half calls from the event loop, outside of any callback of Node's: reactions to promises that it settles, and
 * errors that its listeners throw, would wait for the next event, in an idle process for ever. An immediate is one.
 */
function fromLoop<Args extends unknown[]>(act: (...args: Args) => void): (...args: Args) => void {
  return (...args) => {
    setImmediate(() => undefined);
    act(...args);
  };
}

/**
 * The function on which the native half proves that it reads interpreted frames: it looks at the function's own object and,
 * while `callback` runs, at its frame. It is called once per start, far too rarely to be compiled.
 */
function layoutProbe(callback: () => unknown): unknown {
  return callback();
}
