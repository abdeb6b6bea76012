/**
 * One period of a whole cluster: one profile of all processes, and what became of each of them.
 */
import type { Delivery, Harvest } from './member.js';
import { fromNative, type PronghornError } from '../errors.js';
import { MergeCheck, mergeProfiles, type Part } from '../pprof/merge.js';
import type { Stats } from '../native-api.js';
import { ProfileFile } from '../profile-file.js';

/** Which process of the cluster. */
export interface ClusterProcess {
  role: 'primary' | 'worker';
  /** The worker's `id` in its cluster; undefined for the primary. */
  workerId: number | undefined;
  /** Undefined for a worker that could not be started. */
  processId: number | undefined;
}

/** What a process has contributed. */
export interface ClusterPart extends ClusterProcess {
  /** Its own profile; undefined if it has delivered none. */
  profile: ProfileFile | undefined;
  /** Its counters at the end of the period; also undefined if a signal ended the process. */
  stats: Stats | undefined;
  /** Why something is missing; undefined if nothing is. */
  error: PronghornError | undefined;
}

/** The samples of all processes between two points of time. */
export class ClusterProfile extends ProfileFile {
  /** The primary first, then the workers by their ids: those that live, and those that have ended since the last time. */
  readonly processes: readonly ClusterPart[];

  /** @internal */
  constructor(file: { data: Buffer; startTimeNanos: bigint; endTimeNanos: bigint }, processes: readonly ClusterPart[]) {
    super(file);
    this.processes = processes;
  }
}

/** What was gathered from one process. */
export interface Gathered {
  process: ClusterProcess;
  harvest: Harvest;
}

/**
 * Puts a period together.
 *
 * A primary is a server too, and may have many workers: the event loop gets its turn between two deliveries.
 *
 * @returns the profile; a delivery that cannot be read, or measures other things than the first, is left out, with an error at its process
 * @throws PronghornError the first process's error if there is nothing at all
 */
export async function composeClusterProfile(gathered: readonly Gathered[]): Promise<ClusterProfile> {
  const processes: ClusterPart[] = [];
  const parts: Part[] = [];
  const check = new MergeCheck();
  let [start, end] = [0n, 0n];
  for (const { process, harvest } of gathered) {
    const name = process.role === 'primary' ? `the primary (process ${process.processId})` : `cluster worker ${process.workerId} (process ${process.processId})`;
    const deliveries: Delivery[] = [];
    for (const delivery of harvest.deliveries) {
      if (passes(check, name, delivery, harvest)) deliveries.push(delivery);
      await new Promise(setImmediate);
    }
    const profile = await profileOf(name, deliveries);
    if (profile !== undefined) {
      parts.push({ name, data: profile.data });
      if (start === 0n || profile.startTimeNanos < start) start = profile.startTimeNanos;
      if (profile.endTimeNanos > end) end = profile.endTimeNanos;
    }
    processes.push({ ...process, profile, stats: deliveries.at(-1)?.stats, error: harvest.errors[0] });
  }
  if (parts.length === 0) throw processes.find((process) => process.error !== undefined)?.error ?? new TypeError('no process');
  return new ClusterProfile({ data: await mergeProfiles(parts), startTimeNanos: start, endTimeNanos: end }, processes);
}

/** A process that answered late has delivered two periods, which follow each other. */
async function profileOf(name: string, deliveries: readonly Delivery[]): Promise<ProfileFile | undefined> {
  const [first, ...more] = deliveries;
  if (first === undefined) return undefined;
  if (more.length === 0) return new ProfileFile(first);
  const data = await mergeProfiles(deliveries.map((delivery) => ({ name, data: delivery.data })));
  return new ProfileFile({ data, startTimeNanos: first.startTimeNanos, endTimeNanos: more.at(-1)!.endTimeNanos });
}

function passes(check: MergeCheck, name: string, { data }: Delivery, harvest: Harvest): boolean {
  try {
    check.check({ name, data });
    return true;
  } catch (error) {
    harvest.errors.push(fromNative(error));
    return false;
  }
}
