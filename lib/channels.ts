/**
 * What the profiler tells whoever listens, through `node:diagnostics_channel`. Nothing is built where nobody subscribed.
 */
import { channel } from 'node:diagnostics_channel';
import type { PronghornError } from './errors.js';
import type { ExportError } from './export/exporter.js';
import type { Capabilities, SourceMapProblem } from './native-api.js';
import type { ResolvedOptions } from './options.js';
import type { Profile } from './profile.js';
import type { StallMessage } from './stalls.js';

/** Message of `pronghorn:start`. */
export interface StartMessage {
  options: ResolvedOptions;
  capabilities: Capabilities;
  startedBy: string;
}

/** Message of `pronghorn:profile`, and of `pronghorn:rotate`, `pronghorn:stop` and `pronghorn:exec`, which follow it. */
export interface ProfileMessage {
  profile: Profile;
}

/** Message of `pronghorn:error`: the profiler has switched itself off, or has lost a period. */
export interface ErrorMessage {
  error: PronghornError;
  /** The period that nobody has, in nanoseconds since the epoch, if one was lost. */
  lost?: { startTimeNanos: bigint; endTimeNanos: bigint };
}

/** Message of `pronghorn:fork:reset`: a process that was forked off has been reset, or an attempt to do so has failed. */
export interface ResetMessage {
  /** Forks between the first process and this one. */
  generation: number;
  /** Of this process, as the kernel numbers it; `process.pid` is the parent's. */
  pid: number;
  parentPid: number;
  /** The time between the fork and the reset, in which nothing was sampled. */
  unprofiledNanos: bigint;
  /** Whether the profiler runs in this process. */
  restarted: boolean;
  /** If it does not, why. */
  reason: string | undefined;
}

/** Message of `pronghorn:export`: an attempt to send a profile has ended. */
export interface ExportMessage {
  /** The exporter's name. */
  exporter: string;
  profile: Profile;
  /** 'exported': it has arrived. 'failed': it is tried again. 'dropped': nobody will have it. */
  outcome: 'exported' | 'failed' | 'dropped';
  /** Attempts so far, this one included. */
  attempts: number;
  /** The answer of an HTTP server to the last one. */
  status?: number;
  /** The file that was written. */
  path?: string;
  /** What was sent, if it has arrived. */
  bytes?: number;
  /** How long the attempt took, if it has arrived, in milliseconds. */
  durationMs?: number;
  /** Why it failed. */
  error?: ExportError | undefined;
  /** When it is tried again, in milliseconds from now. */
  retryInMs?: number;
  /** Why it was dropped. */
  reason?: DropReason;
}

/**
 * Why nobody will have a profile: the queue had no room for it; it has waited too long; its place does not want it, and never will; the profiler was stopped and
 * the time for that was over; or the collector had failed before.
 */
export type DropReason = 'full' | 'too old' | 'refused' | 'stopped' | 'collector failed';

/**
 * Message of `pronghorn:source-map`: a source map cannot be used, and frames of its script show generated code. Sent once for each map, and
 * again only if it changes.
 */
export type SourceMapMessage = SourceMapProblem;

/** The channels that `register` listens to itself. */
export const ERROR_CHANNEL = 'pronghorn:error';
export const EXEC_CHANNEL = 'pronghorn:exec';
export const STOP_CHANNEL = 'pronghorn:stop';
export const EXPORT_CHANNEL = 'pronghorn:export';

const start = channel('pronghorn:start');
const profile = channel('pronghorn:profile');
const rotate = channel('pronghorn:rotate');
const stop = channel(STOP_CHANNEL);
const failure = channel(ERROR_CHANNEL);
const exec = channel(EXEC_CHANNEL);
const reset = channel('pronghorn:fork:reset');
const exported = channel(EXPORT_CHANNEL);
const sourceMap = channel('pronghorn:source-map');
const stall = channel('pronghorn:stall');

/** Whether anybody wants to hear of a start. */
export function startIsHeard(): boolean {
  return start.hasSubscribers;
}

/** The profiler runs. */
export function publishStart(message: StartMessage): void {
  if (start.hasSubscribers) start.publish(message);
}

/** A period has ended and the next one has begun. */
export function publishRotate(message: ProfileMessage): void {
  if (rotate.hasSubscribers) rotate.publish(message);
  publishProfile(message);
}

/** The profiler has stopped; the last period. This channel first: register keeps the profile, before a listener of the other can end the process. */
export function publishStop(message: ProfileMessage): void {
  if (stop.hasSubscribers) stop.publish(message);
  publishProfile(message);
}

/** A profile was made, whatever has ended its period. */
function publishProfile(message: ProfileMessage): void {
  if (profile.hasSubscribers) profile.publish(message);
}

/** Something of ours failed. */
export function publishError(message: ErrorMessage): void {
  if (failure.hasSubscribers) failure.publish(message);
}

/** Whether anybody takes the profile that process.execve() would destroy. Making one for nobody would only cost time. */
export function execIsHeard(): boolean {
  return exec.hasSubscribers || profile.hasSubscribers;
}

/**
 * The process is about to become another program; the last period. Only what listeners do synchronously happens at all.
 *
 * @param others profiles that were published before, and would be destroyed, too: oldest first
 */
export function publishExec(message: ProfileMessage, others: readonly Profile[] = []): void {
  if (exec.hasSubscribers) for (const one of [...others, message.profile]) exec.publish({ profile: one });
  publishProfile(message);
}

/** The reset after a fork. */
export function publishReset(message: ResetMessage): void {
  if (reset.hasSubscribers) reset.publish(message);
}

/** An attempt to send a profile has ended. */
export function publishExport(message: ExportMessage): void {
  if (exported.hasSubscribers) exported.publish(message);
}

/** A source map cannot be used. */
export function publishSourceMap(message: SourceMapMessage): void {
  if (sourceMap.hasSubscribers) sourceMap.publish(message);
}

/** Whether anybody wants to hear of stalls. */
export function stallIsHeard(): boolean {
  return stall.hasSubscribers;
}

/** The event loop was blocked, and has come back. */
export function publishStall(message: StallMessage): void {
  if (stall.hasSubscribers) stall.publish(message);
}
