/**
 * What a run of the profiler is made of, and what it keeps.
 */
import type { StartedBy } from './caller.js';
import type { PronghornError } from './errors.js';
import type { ResolvedContinuous } from './export/resolve.js';
import type { Capabilities, NativeApi, Stats } from './native-api.js';
import type { ResolvedOptions, TestOptions } from './options.js';
import type { Profile } from './profile.js';
import { noRotations, type Rotations } from './profiler-stats.js';
import type { Owner } from './registry.js';
import type { Unsettled } from './unsettled.js';

/** What a run is made of. */
export interface ProfilerSetup {
  native: NativeApi;
  options: ResolvedOptions;
  /** Where its profiles go by themselves, if they do. */
  continuous?: ResolvedContinuous | undefined;
  /** Whether giveUpDelivery() is called in the end, also after a stop(). */
  keepsUndelivered?: boolean | undefined;
  test: TestOptions;
  startedBy: StartedBy;
  /** If it is shared with nobody: whose it is. */
  owner: Owner | undefined;
}

/** What a run has come to. */
export interface State {
  /** Between start and stop: methods ask the native half. */
  running: boolean;
  /** When the period under way has begun, by the monotonic clock. */
  periodBeganNanos: bigint;
  rotation: Promise<Profile> | undefined;
  /** What that rotation, or the stop, under way will bring. */
  making: Unsettled | undefined;
  /** Between the end of sampling by stop() and the last profile. */
  ended: boolean;
  stopped: Promise<Profile> | undefined;
  failure: PronghornError | undefined;
  /** The failure is the collector's: what it collects is not to be trusted. */
  collectorFailed: boolean;
  rotations: Rotations;
  lastCapabilities: Capabilities | undefined;
  lastStats: Stats | undefined;
}

/** Of a profiler that has not been started in this process. */
export const fresh = (): State => ({
  running: false,
  periodBeganNanos: 0n,
  rotation: undefined,
  making: undefined,
  ended: false,
  stopped: undefined,
  failure: undefined,
  collectorFailed: false,
  rotations: noRotations(),
  lastCapabilities: undefined,
  lastStats: undefined,
});
