/**
 * The orchestrator: one run of the collector, from start to stop, cut into profiles by rotations.
 */
import { publishFailure, publishRotate, publishStart, publishStop } from './channels.js';
import { Collector } from './collector.js';
import { PronghornError } from './errors.js';
import type { Capabilities, NativeApi, Stats } from './native-api.js';
import type { ResolvedOptions, TestOptions } from './options.js';
import { Profile } from './profile.js';
import { type Entry, Registry } from './registry.js';

/** What a run is made of. */
export interface ProfilerSetup {
  native: NativeApi;
  options: ResolvedOptions;
  test: TestOptions;
  startedBy: string;
  exclusive: boolean;
}

/** The running profiler. `start()` makes it. */
export class Profiler {
  /** The options it runs with. */
  readonly options: Readonly<ResolvedOptions>;
  readonly #collector: Collector;
  readonly #registry: Registry;
  readonly #entry: Entry;
  #failure: PronghornError | undefined;
  #rotation: Promise<Profile> | undefined;
  #stopped: Promise<Profile> | undefined;
  #lastCapabilities: Capabilities;
  #lastStats: Stats | undefined;

  /**
   * Starts the collector. Keeps the thread for a few milliseconds; `stats().startNanos` says for how long.
   *
   * @internal programs call `start()`
   */
  constructor(setup: ProfilerSetup) {
    this.options = Object.freeze({ ...setup.options });
    this.#collector = new Collector(setup.native);
    this.#registry = new Registry(setup.native);
    this.#entry = {
      profiler: this,
      optionsKey: optionsKey(setup.options, setup.test),
      startedBy: setup.startedBy,
      exclusive: setup.exclusive,
    };
    this.#lastCapabilities = this.#collector.start(setup.options, setup.test, (error) => this.#failed(error));
    this.#registry.set(this.#entry);
    publishStart({ options: this.options, capabilities: this.#lastCapabilities, startedBy: setup.startedBy });
  }

  /**
   * Ends the current period and begins the next one, without a gap between them. Serializing happens off this thread.
   *
   * Rejects with ERR_PRONGHORN_ROTATION_IN_PROGRESS while another rotation runs (nothing is lost: that one delivers), with
   * ERR_PRONGHORN_NOT_STARTED after stop(), and with ERR_PRONGHORN_SERIALIZE_FAILED if this period could not be serialized.
   */
  async rotate(): Promise<Profile> {
    if (this.#stopped !== undefined) throw notStarted();
    if (this.#rotation !== undefined) {
      throw new PronghornError('ERR_PRONGHORN_ROTATION_IN_PROGRESS', 'a rotation is under way; await it before the next rotate()');
    }
    const rotation = this.#collector.rotate().then((native) => new Profile(native));
    this.#rotation = rotation;
    try {
      const profile = await rotation;
      publishRotate({ profile });
      return profile;
    } catch (error) {
      publishFailure({ error: error as PronghornError });
      throw error;
    } finally {
      this.#rotation = undefined;
    }
  }

  /**
   * Switches sampling off and resolves with the last period. If a rotation is under way, it comes to its end first.
   * A second call gives the same promise. Rejects with ERR_PRONGHORN_SERIALIZE_FAILED if the last period could not be
   * serialized; the profiler is off all the same.
   */
  stop(): Promise<Profile> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /**
   * The same without a promise, on the calling thread: for the process's `exit` event, which waits for nothing.
   *
   * @throws PronghornError ERR_PRONGHORN_NOT_STARTED after stop()
   */
  stopSync(): Profile {
    if (this.#stopped !== undefined) throw notStarted();
    try {
      this.#beforeStop();
      const profile = this.#finish(new Profile(this.#collector.stopSync()));
      this.#stopped = Promise.resolve(profile);
      return profile;
    } catch (error) {
      this.#stopped = Promise.reject(error);
      this.#stopped.catch(() => undefined);
      publishFailure({ error: error as PronghornError });
      throw error;
    } finally {
      this.#registry.clear(this);
    }
  }

  /** The counters since start(); after stop(), as they were then. */
  stats(): Stats {
    return this.#lastStats ?? this.#collector.stats();
  }

  /** What works in this process, and what does not, with reasons. After stop(), as it was then. */
  get capabilities(): Capabilities {
    return this.#stopped === undefined ? this.#collector.capabilities() : this.#lastCapabilities;
  }

  /** Why the profiler has switched itself off, if it has. It still has to be stopped, which delivers what there is. */
  get failure(): PronghornError | undefined {
    return this.#failure;
  }

  async #stop(): Promise<Profile> {
    try {
      // No await where none is needed: without a rotation the collector is off when stop() returns.
      if (this.#rotation !== undefined) await this.#rotation.catch(() => undefined);
      this.#beforeStop();
      return this.#finish(new Profile(await this.#collector.stop()));
    } catch (error) {
      publishFailure({ error: error as PronghornError });
      throw error;
    } finally {
      this.#registry.clear(this);
    }
  }

  /** After this the native half may be somebody else's, so its last words are kept here. */
  #beforeStop(): void {
    this.#entry.stopping = true;
    this.#lastCapabilities = this.#collector.capabilities();
  }

  #finish(profile: Profile): Profile {
    this.#lastStats = profile.stats;
    publishStop({ profile });
    return profile;
  }

  #failed(error: PronghornError): void {
    this.#failure = error;
    this.#entry.failed = error.message;
    publishFailure({ error });
  }
}

/** Two sets of options are equal if this is: every copy of the package must come to the same text. */
export function optionsKey(options: ResolvedOptions, test: TestOptions): string {
  const parts = Object.entries({ ...options, ...test }).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(parts);
}

/** The error of stop() and rotate() where nothing runs. */
export function notStarted(): PronghornError {
  return new PronghornError('ERR_PRONGHORN_NOT_STARTED', 'the profiler does not run; call start() first');
}
