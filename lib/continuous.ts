/**
 * Continuous profiling: what runs beside the profiler when its profiles are to go somewhere by themselves. Each profile, whoever has ended its
 * period, goes into the queue of each exporter.
 */
import type { Exporter, Report } from './export/exporter.js';
import { ExportQueue } from './export/queue.js';
import type { Limits, QueueStats } from './export/queue-state.js';
import { publishError } from './channels.js';
import { fromNative } from './errors.js';
import type { ForkComponent } from './fork/component.js';
import { clusterWorkerId } from './process-labels.js';
import type { Profile } from './profile.js';
import { type Scheduled, Scheduler } from './scheduler.js';
import type { Time } from './time.js';

/** What it is made of. */
export interface ContinuousSetup {
  readonly periodMs: number;
  readonly exporters: readonly Exporter[];
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: Limits;
  /** How long a stop waits for what has not arrived yet, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** Whether closeSync() will be called after close(): for what that could not deliver. */
  readonly keepsUndelivered: boolean;
}

/** The profiler, as this and the scheduler need it. */
export interface Source extends Pick<Scheduled, 'collectedMs' | 'hasFailed' | 'rotate' | 'fail'> {
  /** Whether the collector is to be trusted: what it makes otherwise goes nowhere. */
  isSound(): boolean;
  /** Does something that is a part of the last rotation's work on the main thread, although it comes later. */
  counted(act: () => void): void;
}

/** What was given up at the end of a process. */
export interface Undelivered {
  /** The exporters that have not got everything. */
  readonly exporters: readonly string[];
  /** The profiles that no exporter has got in the end, oldest first. */
  readonly profiles: readonly Profile[];
}

/** Its parts are components of the fork chain, each for as long as it has anything to do. */
export class Continuous {
  readonly #setup: ContinuousSetup;
  readonly #source: Source;
  readonly #queues: readonly ExportQueue[];
  readonly #scheduler: Scheduler;

  /** @param join takes a component into the chain; returns a function that takes it out */
  constructor(setup: ContinuousSetup, source: Source, time: Time, join: (component: ForkComponent) => () => void) {
    this.#setup = setup;
    const places = uniqueNames(setup.exporters.map(({ name }) => name));
    this.#queues = setup.exporters.map((exporter, index) => new ExportQueue({ exporter, place: places[index]!, limits: setup.limits, keepsLeft: setup.keepsUndelivered, time, join }));
    this.#source = source;
    const what = {
      ...source,
      // The jitter is for servers. What is held back is lost if a signal ends the process.
      deliverHere: (profile: Profile) => source.counted(() => this.#hand(profile, (queue) => queue.canSendNow)),
      deliver: (profile: Profile) => source.counted(() => this.#hand(profile, (queue) => !queue.canSendNow)),
    };
    this.#scheduler = new Scheduler({ periodMs: setup.periodMs, what, time, join });
  }

  /** The profiler runs. */
  begin(): void {
    this.#scheduler.begin();
  }

  /** The profiler is about to stop: no further rotation. */
  endRotations(): void {
    this.#scheduler.stop();
  }

  /**
   * Sends a profile to wherever it is to go, behind those before it. After a failure of the collector it goes nowhere, which is counted and announced. Never
   * throws.
   *
   * @param before what follows at once, if it does: sendNow(), since the program is about to be replaced, which may fail, or closeSync(), since it ends. Nothing
   *   is begun that those do anyway
   */
  deliver(profile: Profile, before?: 'sendNow' | 'closeSync'): void {
    this.#scheduler.flush();
    this.#hand(profile, () => true, before);
  }

  /**
   * After the last profile: waits for what has not arrived.
   *
   * @param deadlineMs at most so long, from now
   */
  async close(deadlineMs: number): Promise<void> {
    this.#scheduler.stop();
    await Promise.all(this.#queues.map((queue) => queue.close(deadlineMs)));
  }

  /** The same where nothing can be waited for: what can be written on this thread is, and the rest is given up. */
  closeSync(): Undelivered {
    this.#scheduler.stop();
    this.sendNow();
    const left = this.#queues.map((queue) => ({ place: queue.place, profiles: queue.closeSync().map(({ profile }) => profile) }));
    const arrivedAt = (profile: Profile): boolean => left.some(({ place, profiles }) => this.#canSendNow(place) && !profiles.includes(profile));
    const all = new Set(left.flatMap(({ profiles }) => profiles));
    return {
      exporters: left.filter(({ profiles }) => profiles.length > 0).map(({ place }) => place),
      profiles: [...all].filter((profile) => !arrivedAt(profile)).sort((a, b) => a.sequence - b.sequence),
    };
  }

  /** What waits for any exporter, oldest first. */
  waiting(): Profile[] {
    const all = new Set(this.#queues.flatMap((queue) => queue.waiting().map(({ profile }) => profile)));
    return [...all].sort((a, b) => a.sequence - b.sequence);
  }

  /** Whether anything can be sent without waiting. */
  get canSendNow(): boolean {
    return this.#queues.some((queue) => queue.canSendNow);
  }

  /** What can be sent on this thread is, at once: the process is about to become another program, or to end. */
  sendNow(): void {
    this.#scheduler.flush();
    for (const queue of this.#queues) if (queue.canSendNow) queue.sendNow();
  }

  /** The counters of each exporter. */
  stats(): Record<string, QueueStats> {
    return Object.fromEntries(this.#queues.map((queue) => [queue.place, queue.stats()]));
  }

  #canSendNow(place: string): boolean {
    return this.#queues.some((queue) => queue.place === place && queue.canSendNow);
  }

  #hand(profile: Profile, to: (queue: ExportQueue) => boolean, before?: 'sendNow' | 'closeSync'): void {
    const { service, labels } = this.#setup;
    const report: Report = { profile, service, labels: { ...clusterLabels(), ...labels } };
    for (const queue of this.#queues.filter(to)) {
      try {
        if (this.#source.isSound()) queue.push(report, { begin: before === undefined || (before === 'sendNow' && !queue.canSendNow) });
        else queue.refuse(report);
      } catch (error) {
        publishError({ error: fromNative(error) });
      }
    }
  }
}

/** Two exporters of one name are told apart, "parca" and "parca 2", also from one that is called so. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(names);
  const given = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let number = 2; given.has(unique) || (unique !== name && taken.has(unique)); number++) unique = `${name} ${number}`;
    given.add(unique);
    return unique;
  });
}

/** A server that keeps no labels of samples would not know which worker of a cluster a profile is from. */
function clusterLabels(): Record<string, string> {
  const id = clusterWorkerId();
  return id === undefined ? {} : { cluster_worker_id: String(id) };
}
