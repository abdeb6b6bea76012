/**
 * The orchestrator: one run of the collector, from start to stop, cut into profiles by rotations. In a child of fork(2) the same
 * object begins anew, if it is to run there.
 */
import { execIsHeard, publishExec, publishError, publishRotate, publishStart, publishStop, startIsHeard } from './channels.js';
import { nameOfStarter } from './caller.js';
import { Collector } from './collector.js';
import type { Continuous, Undelivered } from './continuous.js';
import { fromNative, notStarted, PronghornError } from './errors.js';
import type { ResolvedContinuous } from './export/resolve.js';
import { ExecveGuard } from './execve.js';
import { type ForkAware, forkAware } from './fork/aware.js';
import type { ForkComponent, Reset } from './fork/component.js';
import { inOwnProcess } from './fork/own-process.js';
import type { Capabilities, NativeProfile } from './native-api.js';
import { exporting } from './on-demand.js';
import type { ResolvedOptions } from './options.js';
import type { Profile } from './profile.js';
import { fresh, type ProfilerSetup } from './profiler-state.js';
import { count, countMore, type ProfilerStats, profilerStats } from './profiler-stats.js';
import { OwnEntry } from './registry-entry.js';
import { Registry } from './registry.js';
import { stallFile, tellStall } from './stalls.js';
import { timeOf } from './time.js';
import { Unsettled } from './unsettled.js';

/** What a stop may have to wait for, one after the other: a rotation under way, the last profile, its arrival. Each may take its part of the time. */
const MOST_WAITS = 3;

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
  /** Its parts stand in the chain for themselves: they may be at work for a while after the run has ended. */
  readonly #continuous: Continuous | undefined;
  /** Where reports of stalls go, as it was when the profiler was first started. */
  readonly #stallFile: string | undefined;
  /** Called before the event loop polls in a child. */
  readonly #onFork = (): void => {
    // Where that fails, the native half calls again.
    inOwnProcess(this.#aware.chain);
  };
  #state = fresh();

  /**
   * Starts the collector. Keeps the thread for a few milliseconds; `stats().startNanos` says for how long.
   *
   * @internal programs call `start()`
   */
  constructor(setup: ProfilerSetup) {
    this.options = Object.freeze({ ...setup.options });
    this.#setup = setup;
    this.#stallFile = stallFile(setup.options);
    this.#registry = new Registry(setup.native);
    this.#aware = forkAware(setup.native);
    this.#collector = new Collector(setup.native);
    this.#execve = new ExecveGuard(
      setup.native,
      () => this.#deliverBeforeExec(),
      (error) => this.#collectorFailed(error),
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
    if (setup.continuous !== undefined) this.#continuous = this.#makeContinuous(setup.continuous);
    try {
      this.#start(undefined);
      this.#execve.start();
      this.#continuous?.begin();
    } catch (error) {
      if (this.#state.running) this.#abandon();
      this.#end();
      this.giveUpDelivery();
      throw error;
    }
  }

  /** The collector runs, and nobody will have the profiler: what stops it has nothing to deliver. */
  #abandon(): void {
    try {
      this.#collector.stopSync();
    } catch {
      // The caller hears of what came before.
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
    return this.#rotate((profile) => this.#continuous?.deliver(profile));
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
    const began = performance.now();
    this.#state.periodBeganNanos = this.#setup.native.readClock().monotonicNanos;
    const making = new Unsettled();
    this.#state.making = making;
    const work = this.#collector.rotate(making);
    const beginningMs = performance.now() - began;
    this.#state.rotation = this.#aware.promises.track(work, {
      deliver: (native) => {
        this.#state.rotation = undefined;
        const profile = making.settle(native, (made) => this.#rotated(made, hand, beginningMs));
        // Behind that: a listener may end the process.
        if (!making.isTaken) publishRotate({ profile });
        return profile;
      },
      fail: (error) => {
        this.#state.rotation = undefined;
        // Unless the end of the process has found that out before.
        if (!making.isTaken) this.#publishLost(error);
      },
    });
    return this.#state.rotation;
  }

  /** @param beginningMs how long its beginning has kept this thread */
  #rotated(native: NativeProfile, hand: (profile: Profile) => void, beginningMs: number): Profile {
    const began = performance.now();
    const profile = this.#aware.sequence.next(native);
    hand(profile);
    count(this.#state.rotations, beginningMs + performance.now() - began);
    return profile;
  }

  /**
   * Delivers what a rotation under way brings. For where the process ends, or becomes another program, so that its promise would come too late.
   *
   * @param hand where the profile goes besides listeners
   * @param unpublished gets what tells listeners of it
   */
  #takeRotation(hand: (profile: Profile) => void, unpublished: (() => void)[]): void {
    const { rotation, making } = this.#state;
    if (rotation === undefined || making === undefined || making.isTaken) return;
    try {
      const profile = making.take(
        () => this.#collector.takeFinished(),
        (native) => this.#rotated(native, hand, 0),
      );
      unpublished.push(() => publishRotate({ profile }));
    } catch (error) {
      this.#publishLost(error);
    }
  }

  /**
   * Switches sampling off and resolves with the last period. If a rotation is under way, it comes to its end first. With exporters it resolves when all
   * that was to be sent has arrived, or has failed for good, or `stopTimeoutMs` have passed since the call; what has not arrived then is dropped and announced.
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
    this.#continuous?.endRotations();
    this.#state.stopped ??= this.#afterDelivery(
      performance.now(),
      this.#aware.promises.track(this.#stop(), {
        unwatched: true,
        deliver: (native) => {
          const making = this.#state.making!;
          const profile = this.#endedBy(making, native);
          // Behind that: a listener may end the process.
          if (!making.isTaken) publishStop({ profile });
          return profile;
        },
        fail: (error) => {
          this.#end();
          this.#publishLost(error);
        },
      }),
    );
    return this.#state.stopped;
  }

  /**
   * The same profile or error, once what is to be delivered has arrived, or the deadline of a stop has passed.
   *
   * @param began when the stop began: making the last profile takes from the same time as sending it
   */
  #afterDelivery(began: number, last: Promise<Profile>): Promise<Profile> {
    const [continuous, { continuous: setup }] = [this.#continuous, this.#setup];
    if (continuous === undefined || setup === undefined) return last;
    const close = async (): Promise<void> => {
      await continuous.close(Math.max(0, began + setup.stopTimeoutMs - performance.now()));
      this.#collector.endWatch();
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
   * The same without a promise, on the calling thread: for the process's `exit` event, which waits for nothing. A rotation under way is waited for, a second at
   * most, and goes to listeners and exporters before it. Of the exporters only those that
   * can write at once (files) get what is left; for the others it is dropped and announced.
   *
   * @throws PronghornError ERR_PRONGHORN_NOT_STARTED after stop()
   */
  stopSync(): Profile {
    this.#requireRunning();
    return this.endSync().profile;
  }

  /**
   * stopSync() for the end of a process, also where a stop() is under way. What a rotation under way brings is delivered, too.
   *
   * @internal
   * @param take gets the same before listeners hear of anything: one that ends the process in the middle of its end ends it at once
   * @returns the last profile, and what exporters have not got in the end; undefined if there are none
   */
  endSync(take?: (profile: Profile, undelivered: Undelivered | undefined) => void): { profile: Profile; undelivered: Undelivered | undefined } {
    this.#requireHere();
    if (!this.#state.running) throw notStarted();
    const hand = (profile: Profile): void => this.#continuous?.deliver(profile, 'closeSync');
    const unpublished: (() => void)[] = [];
    try {
      const profile = this.#endCollection(hand, unpublished);
      this.#state.stopped ??= Promise.resolve(profile);
      const undelivered = this.giveUpDelivery();
      take?.(profile, undelivered);
      for (const publish of unpublished) publish();
      return { profile, undelivered };
    } catch (error) {
      this.#end();
      this.giveUpDelivery();
      this.#state.stopped ??= Promise.reject(error);
      this.#state.stopped.catch(() => undefined);
      this.#publishLost(error);
      throw error;
    }
  }

  /** The last period, on this thread, behind that of a rotation. */
  #endCollection(hand: (profile: Profile) => void, unpublished: (() => void)[]): Profile {
    const { ended, making } = this.#state;
    const finish = (native: NativeProfile): Profile => {
      const profile = this.#ended(native, 'closeSync');
      unpublished.push(() => publishStop({ profile }));
      return profile;
    };
    if (ended && making !== undefined) {
      return making.take(
        () => this.#collector.takeFinished(),
        finish,
        () => this.#collector.stopSync(),
      );
    }
    this.#beforeStop();
    this.#takeRotation(hand, unpublished);
    return finish(this.#collector.stopSync());
  }

  /**
   * After a stop: what has not arrived yet is written at once where that can be, and given up elsewhere.
   *
   * @internal
   */
  giveUpDelivery(): Undelivered | undefined {
    return this.#continuous?.closeSync();
  }

  /** The counters since start(), or since this process was forked off; after stop() those of the native half are as they were then. */
  stats(): ProfilerStats {
    this.#requireHere();
    const { lastStats, rotations } = this.#state;
    return profilerStats(lastStats ?? this.#collector.stats(), rotations, this.#continuous?.stats() ?? {});
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
      collectedMs: () => Number(this.#setup.native.readClock().monotonicNanos - this.#state.periodBeganNanos) / 1e6,
      hasFailed: () => this.#state.failure !== undefined,
      isSound: () => !this.#state.collectorFailed,
      rotate: (hand: (profile: Profile) => void) => this.#rotate(hand),
      counted: (act: () => void) => {
        const began = performance.now();
        act();
        countMore(this.#state.rotations, performance.now() - began);
      },
      fail: (error: PronghornError) => this.#giveUp(error),
    };
    return new (exporting().Continuous)({ ...setup, keepsUndelivered: this.#setup.keepsUndelivered ?? false }, source, timeOf(chain), (component) => chain.join(component));
  }

  /** Rotations cannot go on: nobody would ever take what is collected from now on. What there is is delivered. */
  #giveUp(error: PronghornError): void {
    this.#failed(error);
    // What fails there is published.
    void quietly(this.stop());
  }

  #start(reset: Reset | undefined): void {
    const { options, continuous, test, startedBy, native } = this.#setup;
    const { identity, sequence } = this.#aware;
    const reading = reset?.reading ?? native.readClock();
    if (reset === undefined) sequence.begin(reading.realtimeNanos);
    const onFailure = (error: PronghornError): void => this.#collectorFailed(error);
    const capabilities = this.#collector.start({
      options,
      test,
      identity,
      reading: reset?.reading,
      patienceMs: continuous === undefined ? undefined : continuous.stopTimeoutMs / MOST_WAITS,
      onFailure,
      onFork: this.#onFork,
      stallFile: this.#stallFile,
      onStall: () => this.#tellStall(false),
    });
    this.#state = { ...fresh(), running: true, periodBeganNanos: reading.monotonicNanos, lastCapabilities: capabilities };
    this.#registry.set(new OwnEntry(this, this.#setup));
    if (startIsHeard()) publishStart({ options: this.options, capabilities, startedBy: nameOfStarter(startedBy) });
  }

  async #stop(): ReturnType<Collector['stop']> {
    const state = this.#state;
    // No await where none is needed: without a rotation the collector is off when stop() returns.
    if (state.rotation !== undefined) await state.rotation.catch(() => undefined);
    // In a child the rotation has rejected, and what runs there is not what was to be stopped.
    if (this.#state !== state) throw new PronghornError('ERR_PRONGHORN_FORKED', 'this process was forked off before the profiler was stopped');
    this.#beforeStop();
    const making = new Unsettled();
    const last = this.#collector.stop(making, this.#isOver(making));
    Object.assign(state, { making, ended: true });
    // While uploads go on, no child may get at their sockets.
    if (this.#continuous !== undefined) this.#watchForks();
    return last;
  }

  /** Whether a stop is not to go on: somebody has taken its profile, or this is a child. */
  #isOver(making: Unsettled): () => boolean {
    const state = this.#state;
    return () => !inOwnProcess(this.#aware.chain) || this.#state !== state || making.isTaken;
  }

  #watchForks(): void {
    try {
      this.#collector.watchForks(this.#onFork);
    } catch (error) {
      publishError({ error: fromNative(error) });
    }
  }

  /** Listeners that throw are diagnostics_channel's to deal with. */
  #tellStall(stopping: boolean): void {
    if (this.options.stallThresholdMs === 0) return;
    try {
      tellStall(this.#setup.native, stopping);
    } catch (error) {
      publishError({ error: fromNative(error) });
    }
  }

  /** After this the native half may be somebody else's, so its last words are kept here. */
  #beforeStop(): void {
    this.#markStopping();
    this.#tellStall(true);
    this.#execve.rest();
    this.#continuous?.endRotations();
    this.#state.lastCapabilities = this.#collector.capabilities();
  }

  #markStopping(): void {
    const entry = this.#registry.current;
    if (entry?.profiler === this) entry.stopping = true;
  }

  /** The promise's turn. @param native null if somebody else has the last profile */
  #endedBy(making: Unsettled, native: NativeProfile | null): Profile {
    try {
      return making.settle(native, (made) => this.#ended(made));
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** The last profile is there, and goes where it is to go. @param before what follows at once */
  #ended(native: NativeProfile, before?: 'closeSync'): Profile {
    const profile = this.#aware.sequence.next(native);
    this.#state.lastStats = profile.stats;
    this.#end();
    this.#continuous?.deliver(profile, before);
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

  #collectorFailed(error: PronghornError): void {
    this.#state.collectorFailed = true;
    this.#failed(error);
  }

  #failed(error: PronghornError): void {
    this.#state.failure = error;
    const entry = this.#registry.current;
    if (entry?.profiler === this) entry.failed = error.message;
    publishError({ error });
  }

  #publishLost(cause: unknown): void {
    this.#state.rotations.lost += 1;
    const error = fromNative(cause);
    const isOnePeriod = error.code === 'ERR_PRONGHORN_SERIALIZE_FAILED' || error.code === 'ERR_PRONGHORN_ROTATION_IN_PROGRESS';
    if (!isOnePeriod) return publishError({ error });
    publishError({ error, lost: this.#aware.sequence.lose(this.#setup.native.readClock().realtimeNanos) });
  }

  /** Another program would destroy it. Made only if anybody listens. */
  #deliverBeforeExec(): void {
    const continuous = this.#continuous;
    if (!execIsHeard() && continuous?.canSendNow !== true) return;
    const unpublished: (() => void)[] = [];
    this.#takeRotation((profile) => continuous?.deliver(profile, 'sendNow'), unpublished);
    const native = this.#collector.rotateSync();
    this.#state.periodBeganNanos = this.#setup.native.readClock().monotonicNanos;
    const profile = this.#aware.sequence.next(native);
    continuous?.deliver(profile, 'sendNow');
    continuous?.sendNow();
    for (const publish of unpublished) publish();
    // If nothing writes at once, all that waits is as lost as the last one.
    const others = continuous === undefined || continuous.canSendNow ? [] : continuous.waiting().filter((one) => one !== profile);
    publishExec({ profile }, others);
  }
}

async function quietly(promise: Promise<unknown>): Promise<void> {
  await promise.catch(() => undefined);
}
