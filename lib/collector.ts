/**
 * Switches the native collector on and off, and turns its errors into this package's.
 */
import { fromNative, nativeCode, PronghornError } from './errors.js';
import type { Capabilities, NativeApi, NativeProfile, NativeStartOptions, Stats } from './native-api.js';
import type { ResolvedOptions, TestOptions } from './options.js';
import { VERSION } from './version.js';

/** The one user of the native half's start, rotate and stop. */
export class Collector {
  readonly #native: NativeApi;

  constructor(native: NativeApi) {
    this.#native = native;
  }

  /**
   * Starts sampling all that runs on this thread. Fresh clocks, slots and statistics.
   *
   * @param onFailure called at most once, later, if the native half has to switch itself off
   */
  start(options: ResolvedOptions, test: TestOptions, onFailure: (error: PronghornError) => void): Capabilities {
    const native: NativeStartOptions = {
      intervalNanos: options.intervalMicros * 1_000,
      maxDepth: options.maxDepth,
      nativeFrames: options.nativeFrames,
      versions: `pronghorn ${VERSION}, node ${process.version}, v8 ${process.versions.v8}`,
      ...test,
    };
    return this.#sync(() =>
      this.#native.start(native, layoutProbe, (code, message) => onFailure(new PronghornError(nativeCode(code), message)), () => undefined),
    );
  }

  /** Ends this period and begins the next; what was collected arrives once the thread pool has serialized it. */
  rotate(): Promise<NativeProfile> {
    return this.#async(() => this.#native.rotate());
  }

  /** Switches sampling off before it returns; the last period arrives once the thread pool has serialized it. */
  stop(): Promise<NativeProfile> {
    return this.#async(() => this.#native.stop());
  }

  /** Switches sampling off and serializes on this thread. */
  stopSync(): NativeProfile {
    return this.#sync(() => this.#native.stopSync());
  }

  /** The counters since start(). */
  stats(): Stats {
    return this.#sync(() => this.#native.stats());
  }

  /** What works in this process, as of now. */
  capabilities(): Capabilities {
    return this.#sync(() => this.#native.capabilities());
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

/**
 * The function on which the native half proves that it reads interpreted frames: it looks at the function's own object and,
 * while `callback` runs, at its frame. It is called once per start, far too rarely to be compiled.
 */
function layoutProbe(callback: () => unknown): unknown {
  return callback();
}
