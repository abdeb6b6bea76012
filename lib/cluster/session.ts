/**
 * Profiles a cluster from its primary: this process, every worker that has the agent (hook.ts), and those that are forked while it runs.
 *
 * A worker that does not answer is waited for as long as `workerTimeoutMs` says, once per result; it never delays the others' data beyond that. What it
 * delivers later is part of the next result.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { onFork } from './fork.js';
import type { ClusterHook, Link } from './hook.js';
import { ClusterMember, type Harvest } from './member.js';
import { type ClusterProfile, composeClusterProfile, type Gathered } from './profile.js';
import type { StartOrder } from './wire.js';
import { fromNative, notStarted, PronghornError, WorkerUnreachableError } from '../errors.js';
import { forkAware } from '../fork/aware.js';
import { LastWill } from './last-will.js';
import type { NativeApi } from '../native-api.js';
import type { ResolvedOptions, TestOptions } from '../options.js';
import type { Profile } from '../profile.js';
import type { Profiler } from '../profiler.js';
import { randomId } from '../random-id.js';
import { realPid } from '../real-pid.js';

/** What the primary can know of a worker without an agent. */
const UNREACHABLE =
  "it was forked before the primary imported pronghorn; or it has closed its pipe to the profiler, as when it becomes another program; or it could not read pronghorn's files, which are gone or closed to its user or by Node's permission model";

/** What a session is made of. */
export interface ClusterSetup {
  native: NativeApi;
  hook: ClusterHook;
  /** This process's own, just started. */
  profiler: Profiler;
  options: ResolvedOptions;
  test: TestOptions;
  workerTimeoutMs: number;
}

/** The profiler of a whole cluster. `startCluster()` makes it. */
export class ClusterSession {
  readonly #setup: ClusterSetup;
  readonly #id = randomId();
  readonly #members = new Set<ClusterMember>();
  /** Files of workers whose fork has not come back yet, by their paths. */
  readonly #wills = new Map<string, LastWill>();
  readonly #keep: () => void;
  /** Ends the wait for workers. */
  readonly #over = new AbortController();
  /** This process is a child of the one that the session belongs to. */
  #forked = false;
  #requests = 0;
  #rotation: Promise<ClusterProfile> | undefined;
  #stopped: Promise<ClusterProfile> | undefined;

  /** @internal programs call `startCluster()` */
  constructor(setup: ClusterSetup) {
    this.#setup = setup;
    this.#keep = onFork(() => {
      this.#forked = true;
      this.#end();
    });
    const { hook } = setup;
    hook.orderForNew = () => this.#order();
    hook.onLink = (link) => this.#join(link);
    for (const link of hook.links.values()) this.#join(link);
  }

  /**
   * Ends the current period in every process and begins the next one. A rotation loses no sample; the periods of different processes end within
   * the time that a message takes.
   *
   * Rejects with ERR_PRONGHORN_ROTATION_IN_PROGRESS while another rotation runs, with ERR_PRONGHORN_NOT_STARTED after stop(), with
   * ERR_PRONGHORN_FORKED in a child that was forked off in the meantime, and with the primary's own error if no process delivered anything.
   * What a single worker could not deliver is no reason to reject: `processes` of the result names it.
   */
  rotate(): Promise<ClusterProfile> {
    try {
      this.#requireHere();
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#stopped !== undefined) return Promise.reject(notStarted());
    if (this.#rotation !== undefined) {
      const message = 'a rotation of the cluster is under way; await it before the next rotate()';
      return Promise.reject(new PronghornError('ERR_PRONGHORN_ROTATION_IN_PROGRESS', message));
    }
    const rotation = this.#track(this.#collect('rotate', this.#setup.profiler.rotate()));
    this.#rotation = rotation;
    const settled = (): void => {
      this.#rotation = undefined;
    };
    rotation.finally(settled).catch(() => undefined);
    return rotation;
  }

  /**
   * Stops the profiler in every process and resolves with the last period. If a rotation is under way, it comes to its end first. A
   * second call gives the same promise.
   */
  stop(): Promise<ClusterProfile> {
    try {
      this.#requireHere();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#stopped ??= this.#track(this.#stop());
    return this.#stopped;
  }

  /** @throws PronghornError ERR_PRONGHORN_FORKED in a child of a fork, whose parent has the session and the workers */
  #requireHere(): void {
    forkAware(this.#setup.native).chain.resetAfterFork();
    if (this.#forked) throw new PronghornError('ERR_PRONGHORN_FORKED', 'this session belongs to the process that this one was forked off from');
  }

  async #stop(): Promise<ClusterProfile> {
    if (this.#rotation !== undefined) await this.#rotation.catch(() => undefined);
    this.#takeNoMore();
    try {
      return await this.#collect('stop', this.#setup.profiler.stop());
    } finally {
      this.#end();
      this.#keep();
    }
  }

  /** Asks every process, waits for the answers, and puts together what there is. */
  async #collect(what: 'rotate' | 'stop', own: Promise<Profile>): Promise<ClusterProfile> {
    const request = ++this.#requests;
    const { workerTimeoutMs } = this.#setup;
    const members = [...this.#members];
    const answers = Promise.all(members.map((member) => member.ask(what, request)));
    const [primary] = await Promise.all([this.#harvestOf(own), within(answers, workerTimeoutMs, this.#over.signal)]);
    const workers = members.map((member): Gathered => {
      if (member.over) this.#leave(member);
      const { workerId, processId } = member;
      return { process: { role: 'worker', workerId, processId }, harvest: member.take(request, workerTimeoutMs) };
    });
    const all = [...workers, ...this.#unreachable(members)].sort((a, b) => a.process.workerId! - b.process.workerId!);
    return composeClusterProfile([{ process: { role: 'primary', workerId: undefined, processId: realPid() }, harvest: primary }, ...all]);
  }

  /** Workers that live and have no agent, or have none any more. */
  #unreachable(members: readonly ClusterMember[]): Gathered[] {
    const { cluster, links } = this.#setup.hook;
    // One that closes its pipe is still a member, for the last time.
    const known = new Set([...links.keys(), ...members.map((member) => member.workerId)]);
    const alive = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined && !worker.isDead() && !known.has(worker.id));
    return alive.map((worker): Gathered => {
      const { id, process } = worker!;
      const error = new WorkerUnreachableError(id, process.pid, UNREACHABLE);
      return { process: { role: 'worker', workerId: id, processId: process.pid }, harvest: { deliveries: [], errors: [error] } };
    });
  }

  /** The primary's own. A profiler that has failed delivers nevertheless: what there was before. */
  async #harvestOf(own: Promise<Profile>): Promise<Harvest> {
    try {
      const profile = await own;
      const { failure } = this.#setup.profiler;
      return { deliveries: [profile], errors: failure === undefined ? [] : [failure] };
    } catch (error) {
      return { deliveries: [], errors: [fromNative(error)] };
    }
  }

  #order(): StartOrder {
    const { options, test } = this.#setup;
    // What a test does to the reset after a fork is the primary's.
    const { failResetStep: _step, resetReading: _reading, ...forWorkers } = test;
    return { session: this.#id, options, test: forWorkers, lastWill: this.#newWill()?.address };
  }

  /** Without it a signal costs the worker's last profile, which is then named as lost. */
  #newWill(): LastWill | undefined {
    try {
      const will = new LastWill();
      this.#wills.set(will.address.path, will);
      return will;
    } catch {
      return undefined;
    }
  }

  #join(link: Link): void {
    const order = link.order?.session === this.#id ? link.order : this.#order();
    const path = order.lastWill?.path ?? '';
    this.#members.add(new ClusterMember(link, order, this.#wills.get(path)));
    this.#wills.delete(path);
  }

  #leave(member: ClusterMember): void {
    this.#members.delete(member);
    member.dispose();
  }

  #takeNoMore(): void {
    const { hook } = this.#setup;
    hook.orderForNew = undefined;
    hook.onLink = undefined;
  }

  /** Lets go of everything that belongs to the session. In a child of a fork its promises reject after this. */
  #end(): void {
    this.#takeNoMore();
    this.#over.abort();
    for (const member of this.#members) this.#leave(member);
    for (const will of this.#wills.values()) will.close();
    this.#wills.clear();
  }

  /** In a child of a fork these promises reject. */
  #track(work: Promise<ClusterProfile>): Promise<ClusterProfile> {
    return forkAware(this.#setup.native).promises.track(work, { deliver: (profile) => profile, unwatched: true });
  }
}

/** Waits for all of them, or for a while: the timer keeps the process alive, so that the result does come. */
async function within(work: Promise<unknown>, ms: number, over: AbortSignal): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, over]);
  await Promise.race([work, wait(ms, undefined, { signal }).catch(() => undefined)]);
  done.abort();
}
