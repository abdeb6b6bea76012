/**
 * What the profiler tells whoever listens, through `node:diagnostics_channel`. Nothing is built where nobody subscribed.
 */
import { channel } from 'node:diagnostics_channel';
import type { PronghornError } from './errors.js';
import type { Capabilities } from './native-api.js';
import type { ResolvedOptions } from './options.js';
import type { Profile } from './profile.js';

/** Message of `pronghorn:start`. */
export interface StartMessage {
  options: ResolvedOptions;
  capabilities: Capabilities;
  startedBy: string;
}

/** Message of `pronghorn:rotate` and `pronghorn:stop`. */
export interface ProfileMessage {
  profile: Profile;
}

/** Message of `pronghorn:failure`: the profiler has switched itself off, or has lost a period. */
export interface FailureMessage {
  error: PronghornError;
}

/** The channel that `register` listens to itself. */
export const FAILURE_CHANNEL = 'pronghorn:failure';

const start = channel('pronghorn:start');
const rotate = channel('pronghorn:rotate');
const stop = channel('pronghorn:stop');
const failure = channel(FAILURE_CHANNEL);

/** The profiler runs. */
export function publishStart(message: StartMessage): void {
  if (start.hasSubscribers) start.publish(message);
}

/** A period has ended and the next one has begun. */
export function publishRotate(message: ProfileMessage): void {
  if (rotate.hasSubscribers) rotate.publish(message);
}

/** The profiler has stopped; the last period. */
export function publishStop(message: ProfileMessage): void {
  if (stop.hasSubscribers) stop.publish(message);
}

/** Something of ours failed. */
export function publishFailure(message: FailureMessage): void {
  if (failure.hasSubscribers) failure.publish(message);
}
