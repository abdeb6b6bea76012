/**
 * pronghorn: a CPU and wall-time profiler for Node.js that reads V8's stacks itself and writes pprof.
 *
 * Importing this module never throws. On the main thread it loads the native half, which does nothing by itself, and notes the names of the workers that are made
 * from then on. A worker thread that imports it takes part in the session that runs.
 */
import { createApi, createClusterApi, createLabels, joinAsWorker, loadNative, prepare, prepareCluster, workers } from './lib/core.js';

workers.watch();
joinAsWorker(loadNative);
prepareCluster();
prepare(loadNative);

export const { start, stop, profile, resetAfterFork } = createApi(loadNative);
export const { startCluster, profileCluster } = createClusterApi(loadNative);
export const { withLabels } = createLabels(loadNative);

export type { ProfileOptions, StartOptions } from './lib/api.js';
export type { ClusterOptions, ProfileClusterOptions } from './lib/cluster/api.js';
export type { ClusterPart, ClusterProcess, ClusterProfile } from './lib/cluster/profile.js';
export type { ClusterSession } from './lib/cluster/session.js';
export type { DropReason, ErrorMessage, ExportMessage, ProfileMessage, ResetMessage, SourceMapMessage, StartMessage } from './lib/channels.js';
export { AbortedError, AlreadyStartedError, ExportError, InvalidOptionError, PronghornError, WorkerUnreachableError } from './lib/core.js';
export type { ErrorCode } from './lib/errors.js';
export type { Capabilities, ForkSupport, LayoutProof, LeftBehind, NativeFrames, StallFrame, Stats, Threads } from './lib/native-api.js';
export type { Exporter, Failed, Report, Sent } from './lib/export/exporter.js';
export type {
  ContinuousOptions,
  ExporterOptions,
  FileExporterOptions,
  HttpExporterOptions,
  OtlpExporterOptions,
  ParcaExporterOptions,
  PyroscopeExporterOptions,
  QueueOptions,
  ServerOptions,
} from './lib/export/options.js';
export type { QueueStats } from './lib/export/queue-state.js';
export type { AfterFork, ResolvedOptions, SamplingOptions } from './lib/options.js';
export type { StallMessage } from './lib/stalls.js';
export type { Origin, Profile } from './lib/profile.js';
export type { ProfileFile } from './lib/profile-file.js';
export type { Profiler } from './lib/profiler.js';
export type { ProfilerStats } from './lib/profiler-stats.js';
