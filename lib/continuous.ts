/**
 * Continuous profiling: what runs beside the profiler when its profiles are to go somewhere by themselves. Each profile, whoever has ended its
 * period, goes into the queue of each exporter.
 */
import type { Exporter, Report } from './export/exporter.js';
import { ExportQueue, type Limits, type QueueStats } from './export/queue.js';
import { publishFailure } from './channels.js';
import { fromNative } from './errors.js';
import { clusterWorkerId } from './labels.js';
import type { ForkComponent } from './fork/component.js';
import type { Profile } from './profile.js';
import { type Scheduled, Scheduler, type Time } from './scheduler.js';

/** What it is made of. */
export interface ContinuousSetup {
  readonly periodMs: number;
  readonly exporters: readonly Exporter[];
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: Limits;
  /** How long a stop waits for what has not arrived yet, in milliseconds. */
  readonly stopTimeoutMs: number;
}

/** The profiler, as the scheduler needs it. */
export type Source = Omit<Scheduled, 'deliver'>;

/** Its parts are components of the fork chain: {@link components}. */
export class Continuous {
  readonly #setup: ContinuousSetup;
  readonly #queues: readonly ExportQueue[];
  readonly #scheduler: Scheduler;

  constructor(setup: ContinuousSetup, source: Source, time: Time) {
    this.#setup = setup;
    this.#queues = setup.exporters.map((exporter) => new ExportQueue(exporter, setup.limits, time));
    this.#scheduler = new Scheduler(setup.periodMs, { ...source, deliver: (profile) => this.deliver(profile) }, time);
  }

  /** What a fork has to reset. */
  get components(): ForkComponent[] {
    const queues: ForkComponent = {
      name: 'queues',
      hooksOff: () => this.#queues.forEach((queue) => queue.hooksOff()),
      resetAfterFork: () => this.#queues.forEach((queue) => queue.resetAfterFork()),
    };
    return [queues, this.#scheduler];
  }

  /** The profiler runs. */
  begin(): void {
    this.#scheduler.begin();
  }

  /** The profiler is about to stop: no further rotation. */
  endRotations(): void {
    this.#scheduler.stop();
  }

  /** Sends a profile to wherever it is to go. Never throws. */
  deliver(profile: Profile): void {
    const report = this.#report(profile);
    for (const queue of this.#queues) {
      try {
        queue.push(report);
      } catch (error) {
        publishFailure({ error: fromNative(error) });
      }
    }
  }

  /** After the last profile: waits for what has not arrived, up to the deadline of a stop. */
  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close(this.#setup.stopTimeoutMs)));
  }

  /** The same where nothing can be waited for: what can be written on this thread is, and the rest is given up. */
  closeSync(): void {
    for (const queue of this.#queues) queue.closeSync();
  }

  /** Whether anything can be sent without waiting. */
  get canSendNow(): boolean {
    return this.#queues.some((queue) => queue.canSendNow);
  }

  /** What can be sent on this thread is, at once: the process is about to become another program, or may be. */
  sendNow(): void {
    for (const queue of this.#queues) if (queue.canSendNow) queue.sendNow();
  }

  /** The counters of each exporter. */
  stats(): Record<string, QueueStats> {
    return Object.fromEntries(this.#queues.map((queue) => [queue.name, queue.stats()]));
  }

  #report(profile: Profile): Report {
    const { service, labels } = this.#setup;
    return { profile, service, labels: { ...clusterLabels(), ...labels } };
  }
}

/** A server that keeps no labels of samples would not know which worker of a cluster a profile is from. */
function clusterLabels(): Record<string, string> {
  const id = clusterWorkerId();
  return id === undefined ? {} : { cluster_worker_id: String(id) };
}
