/**
 * The orchestrator: one run of the collector, from start to stop, cut into profiles by rotations. In a child of fork(2) the same
 * object begins anew, if it is to run there.
 */
import { execIsHeard, publishExec, publishFailure, publishRotate, publishStart, publishStop } from './channels.js';
import { Collector } from './collector.js';
import { Continuous } from './continuous.js';
import { fromNative, PronghornError } from './errors.js';
import type { ResolvedContinuous } from './export/options.js';
import type { QueueStats } from './export/queue.js';
import { uploads } from './export/upload.js';
import { ExecveGuard } from './execve.js';
import { type ForkAware, forkAware } from './fork/aware.js';
import type { ForkChain } from './fork/chain.js';
import type { ForkComponent, Reset } from './fork/component.js';
import type { Capabilities, NativeApi, Stats } from './native-api.js';
import { optionsKey, type ResolvedOptions, type TestOptions } from './options.js';
import type { Profile } from './profile.js';
import { type Owner, Registry } from './registry.js';

/** What a run is made of. */
export interface ProfilerSetup {
  native: NativeApi;
  options: ResolvedOptions;
  /** Where its profiles go by themselves, if they do. */
  continuous?: ResolvedContinuous | undefined;
  test: TestOptions;
  startedBy: string;
  /** If it is shared with nobody: whose it is. */
  owner: Owner | undefined;
}

/** What a run has come to. */
interface State {
  /** Between start and stop: methods ask the native half. */
  running: boolean;
  /** When the period under way has begun, by the monotonic clock, in milliseconds. */
  periodBeganMs: number;
  rotation: Promise<Profile> | undefined;
  stopped: Promise<Profile> | undefined;
  failure: PronghornError | undefined;
  lastCapabilities: Capabilities | undefined;
  lastStats: Stats | undefined;
}

/** Of a profiler that has not been started in this process. */
const fresh = (): State => ({
  running: false,
  periodBeganMs: 0,
  rotation: undefined,
  stopped: undefined,
  failure: undefined,
  lastCapabilities: undefined,
  lastStats: undefined,
});

/** The running profiler. `start()` makes it. */
export class Profiler {
  /** The options it runs with. */
  readonly options: Readonly<ResolvedOptions>;
  readonly #setup: ProfilerSetup;
  readonly #collector: Collector;
  readonly #registry: Registry;
  readonly #aware: ForkAware;
  /** Take this run out of the chain. */
  readonly #leave: (() => void)[];
  readonly #execve: ExecveGuard;
  readonly #continuous: Continuous | undefined;
  /** Take what delivers profiles out of the chain; it may be at work for a while after the run has ended. */
  readonly #leaveContinuous: (() => void)[] = [];
  #state = fresh();

  /**
   * Starts the collector. Keeps the thread for a few milliseconds; `stats().startNanos` says for how long.
   *
   * @internal programs call `start()`
   */
  constructor(setup: ProfilerSetup) {
    this.options = Object.freeze({ ...setup.options });
    this.#setup = setup;
    this.#registry = new Registry(setup.native);
    this.#aware = forkAware(setup.native);
    this.#collector = new Collector(setup.native, () => this.#aware.chain.hasThreadPool);
    this.#execve = new ExecveGuard(
      setup.native,
      () => this.#deliverBeforeExec(),
      (error) => this.#failed(error),
    );
    const component: ForkComponent = {
      name: 'profiler',
      // The native half's hooks are its own component.
      hooksOff: () => undefined,
      resetAfterFork: (reset) => this.#resetAfterFork(reset),
      start: (reset) => this.#start(reset),
    };
    const { chain } = this.#aware;
    chain.setTest(setup.test);
    this.#leave = [chain.join(component), chain.join(this.#execve)];
    if (setup.continuous !== undefined) {
      this.#continuous = this.#makeContinuous(setup.continuous);
      for (const part of [uploads, ...this.#continuous.components]) this.#leaveContinuous.push(chain.join(part));
    }
    try {
      this.#start(undefined);
      this.#execve.start();
      this.#continuous?.begin();
    } catch (error) {
      this.#end();
      this.#endDelivery();
      throw error;
    }
  }

  /**
   * Ends the current period and begins the next one, without a gap between them. Serializing happens off this thread.
   *
   * Rejects with ERR_PRONGHORN_ROTATION_IN_PROGRESS while another rotation runs (nothing is lost: that one delivers), with
   * ERR_PRONGHORN_NOT_STARTED after stop(), with ERR_PRONGHORN_SERIALIZE_FAILED if this period could not be serialized, and with
   * ERR_PRONGHORN_FORKED in a child that was forked off in the meantime.
   */
  rotate(): Promise<Profile> {
    return this.#rotate((profile) => this.#deliver(profile));
  }

  /** @param hand where the profile goes besides the caller */
  #rotate(hand: (profile: Profile) => void): Promise<Profile> {
    try {
      this.#requireRunning();
      if (this.#state.rotation !== undefined) {
        throw new PronghornError('ERR_PRONGHORN_ROTATION_IN_PROGRESS', 'a rotation is under way; await it before the next rotate()');
      }
    } catch (error) {
      return Promise.reject(error);
    }
    this.#state.periodBeganMs = performance.now();
    this.#state.rotation = this.#aware.promises.track(this.#collector.rotate(), {
      deliver: (native) => {
        this.#state.rotation = undefined;
        const profile = this.#aware.exporter.profile(native);
        publishRotate({ profile });
        hand(profile);
        return profile;
      },
      fail: (error) => {
        this.#state.rotation = undefined;
        this.#publishLost(error);
      },
    });
    return this.#state.rotation;
  }

  /**
   * Switches sampling off and resolves with the last period. If a rotation is under way, it comes to its end first.
   * A second call gives the same promise. Rejects with ERR_PRONGHORN_SERIALIZE_FAILED if the last period could not be
   * serialized; the profiler is off all the same.
   */
  stop(): Promise<Profile> {
    try {
      this.#requireHere();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#markStopping();
    this.#state.stopped ??= this.#afterDelivery(
      this.#aware.promises.track(this.#stop(), {
        unwatched: true,
        deliver: (native) => this.#finish(this.#aware.exporter.profile(native)),
        fail: (error) => {
          this.#end();
          this.#publishLost(error);
        },
      }),
    );
    return this.#state.stopped;
  }

  /** The same profile or error, once what is to be delivered has arrived, or the deadline of a stop has passed. */
  #afterDelivery(last: Promise<Profile>): Promise<Profile> {
    const continuous = this.#continuous;
    if (continuous === undefined) return last;
    const close = async (): Promise<void> => {
      await continuous.close();
      this.#endDelivery();
    };
    const closed = last.then(
      async (profile) => {
        await close();
        return profile;
      },
      async (error: unknown) => {
        await close();
        throw error;
      },
    );
    return this.#aware.promises.track(closed, { unwatched: true, deliver: (profile) => profile });
  }

  /**
   * The same without a promise, on the calling thread: for the process's `exit` event, which waits for nothing.
   *
   * @throws PronghornError ERR_PRONGHORN_NOT_STARTED after stop()
   */
  stopSync(): Profile {
    this.#requireRunning();
    try {
      this.#beforeStop();
      const profile = this.#finish(this.#aware.exporter.profile(this.#collector.stopSync()));
      this.#continuous?.closeSync();
      this.#endDelivery();
      this.#state.stopped = Promise.resolve(profile);
      return profile;
    } catch (error) {
      this.#end();
      this.#continuous?.closeSync();
      this.#endDelivery();
      this.#state.stopped = Promise.reject(error);
      this.#state.stopped.catch(() => undefined);
      this.#publishLost(error);
      throw error;
    }
  }

  /** The counters since start(), or since this process was forked off; after stop(), as they were then. */
  stats(): Stats {
    this.#requireHere();
    return this.#state.lastStats ?? this.#collector.stats();
  }

  /** What has become of the profiles that were to be delivered, for each exporter; empty if there are none. */
  exportStats(): Record<string, QueueStats> {
    this.#requireHere();
    return this.#continuous?.stats() ?? {};
  }

  /** What works in this process, and what does not, with reasons. After stop(), as it was then. */
  get capabilities(): Capabilities {
    this.#requireHere();
    const { stopped, lastCapabilities } = this.#state;
    return stopped === undefined || lastCapabilities === undefined ? this.#collector.capabilities() : lastCapabilities;
  }

  /** Why the profiler has switched itself off, if it has. It still has to be stopped, which delivers what there is. */
  get failure(): PronghornError | undefined {
    try {
      this.#aware.chain.resetAfterFork();
    } catch (error) {
      return fromNative(error);
    }
    return this.#state.failure;
  }

  /**
   * In a child of fork(2): resets the profiler now instead of a moment later, when the event loop would. See the function of this name.
   *
   * @returns whether there was anything to reset
   */
  resetAfterFork(): boolean {
    return this.#aware.chain.resetAfterFork();
  }

  #makeContinuous(setup: ResolvedContinuous): Continuous {
    const { chain } = this.#aware;
    const source = {
      collectedMs: () => performance.now() - this.#state.periodBeganMs,
      hasFailed: () => this.#state.failure !== undefined,
      // The scheduler hands it over itself, a little later.
      rotate: () => this.#rotate(() => undefined),
      fail: (error: PronghornError) => this.#giveUp(error),
    };
    const time = { now: () => performance.now(), random: Math.random, inOwnProcess: () => isOwn(chain) };
    return new Continuous(setup, source, time);
  }

  /** Rotations cannot go on: nobody would ever take what is collected. */
  #giveUp(error: PronghornError): void {
    this.#failed(error);
    // Its own failures are published.
    this.stop().catch(() => undefined);
  }

  /** Sends a profile to wherever profiles go by themselves; after a failure of the collector nothing goes there. */
  #deliver(profile: Profile): void {
    if (this.#state.failure === undefined) this.#continuous?.deliver(profile);
  }

  #endDelivery(): void {
    for (const leave of this.#leaveContinuous.splice(0)) leave();
  }

  #start(reset: Reset | undefined): void {
    const { options, continuous, test, startedBy, owner, native } = this.#setup;
    const { chain, identity, exporter } = this.#aware;
    if (reset === undefined) exporter.begin(native.readClock().realtimeNanos);
    const onFailure = (error: PronghornError): void => this.#failed(error);
    const onFork = (): void => {
      try {
        chain.resetAfterFork();
      } catch {
        // Published, and thrown by the next call into the API; the native half calls again.
      }
    };
    const capabilities = this.#collector.start({ options, test, identity, reading: reset?.reading, patienceMs: continuous?.stopTimeoutMs, onFailure, onFork });
    this.#state = { ...fresh(), running: true, periodBeganMs: performance.now(), lastCapabilities: capabilities };
    this.#registry.set({ profiler: this, optionsKey: optionsKey(options, test, continuous?.key), startedBy, exclusive: owner !== undefined, owner });
    publishStart({ options: this.options, capabilities, startedBy });
  }

  async #stop(): ReturnType<Collector['stop']> {
    const state = this.#state;
    // No await where none is needed: without a rotation the collector is off when stop() returns.
    if (state.rotation !== undefined) await state.rotation.catch(() => undefined);
    // In a child the rotation has rejected, and what runs there is not what was to be stopped.
    if (this.#state !== state) throw new PronghornError('ERR_PRONGHORN_FORKED', 'this process was forked off before the profiler was stopped');
    this.#beforeStop();
    return this.#collector.stop();
  }

  /** After this the native half may be somebody else's, so its last words are kept here. */
  #beforeStop(): void {
    this.#markStopping();
    this.#execve.hooksOff();
    this.#continuous?.endRotations();
    this.#state.lastCapabilities = this.#collector.capabilities();
  }

  #markStopping(): void {
    const entry = this.#registry.current;
    if (entry?.profiler === this) entry.stopping = true;
  }

  #finish(profile: Profile): Profile {
    this.#state.lastStats = profile.stats;
    this.#end();
    publishStop({ profile });
    this.#deliver(profile);
    return profile;
  }

  /** It does not run any more, however that came. */
  #end(): void {
    this.#state.running = false;
    this.#execve.hooksOff();
    for (const leave of this.#leave) leave();
    this.#registry.clear(this);
  }

  #resetAfterFork({ verdict }: Reset): void {
    this.#state = fresh();
    if (verdict.restart) return;
    for (const leave of this.#leave) leave();
    this.#endDelivery();
  }

  /** @throws PronghornError ERR_PRONGHORN_FORKED if this process was forked off and the profiler was not started again in it */
  #requireHere(): void {
    this.#aware.chain.resetAfterFork();
    if (this.#state.running || this.#state.stopped !== undefined) return;
    throw new PronghornError('ERR_PRONGHORN_FORKED', 'this profiler ran in the process that this one was forked off from, and does not run here');
  }

  #requireRunning(): void {
    this.#requireHere();
    if (this.#state.stopped !== undefined) throw notStarted();
  }

  #failed(error: PronghornError): void {
    this.#state.failure = error;
    const entry = this.#registry.current;
    if (entry?.profiler === this) entry.failed = error.message;
    publishFailure({ error });
  }

  #publishLost(cause: unknown): void {
    const error = fromNative(cause);
    if (error.code !== 'ERR_PRONGHORN_SERIALIZE_FAILED') return publishFailure({ error });
    publishFailure({ error, lost: this.#aware.exporter.lose(this.#setup.native.readClock().realtimeNanos) });
  }

  /** Another program would destroy it. Made only if anybody listens. */
  #deliverBeforeExec(): void {
    if (!execIsHeard() && this.#continuous?.canSendNow !== true) return;
    const profile = this.#aware.exporter.profile(this.#collector.rotateSync());
    publishExec({ profile });
    this.#deliver(profile);
    this.#continuous?.sendNow();
  }
}

/** Whether this process is the chain's own, if need be after a reset. */
function isOwn(chain: ForkChain): boolean {
  try {
    chain.resetAfterFork();
    return true;
  } catch {
    // It has been published, and the next call tries again.
    return false;
  }
}

/** The error of stop() and rotate() where nothing runs. */
export function notStarted(): PronghornError {
  return new PronghornError('ERR_PRONGHORN_NOT_STARTED', 'the profiler does not run; call start() first');
}
