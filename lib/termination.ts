/**
 * The profile of a program that a signal ends. The native half's handlers write it: a JavaScript listener would keep a program alive that does
 * not handle the signal.
 */
import { constants } from 'node:os';
import type { NativeApi } from './native-api.js';

/** Signals that end a program which does not handle them, and that people send to end programs. */
const TERMINATING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Arms those of the signals that the program does not handle; a listener it adds later replaces ours.
 *
 * @param path the file: a new one, or with `existing` one that is there and is overwritten
 * @throws whatever the native half throws
 */
export function armTermination(native: NativeApi, path: string, { existing = false } = {}): void {
  const free = TERMINATING.filter((name) => process.listenerCount(name) === 0);
  native.armTermination({ signals: free.map((name) => constants.signals[name]), path, existing });
}
