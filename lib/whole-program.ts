/**
 * Profiles a program from its start to its end, whichever end that is, and writes one file. This is what `register` does.
 *
 * The file is written by the `exit` event (a normal end, process.exit(), an uncaught exception) or, when SIGINT, SIGTERM or SIGHUP
 * ends the process, by the native half's own handler. No JavaScript signal listener is installed: one would keep the program alive.
 * Nothing here ever throws or changes how the program ends.
 */
import { subscribe } from 'node:diagnostics_channel';
import { constants, tmpdir } from 'node:os';
import { startAs } from './api.js';
import { FAILURE_CHANNEL, type FailureMessage } from './channels.js';
import { readEnvironment } from './environment.js';
import { freeProfilePath, prepareDirectory, writeNewProfileSync } from './files.js';
import type { NativeApi } from './native-api.js';
import type { Profile } from './profile.js';
import type { Profiler } from './profiler.js';
import { Registry } from './registry.js';
import { say } from './stderr.js';

const STARTED_BY = 'pronghorn/register';

/** Signals that end a program which does not handle them, and that people send to end programs. */
const TERMINATING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Starts the profiler and arranges for the file.
 *
 * @param load returns the native half or throws
 */
export function profileWholeProgram(load: () => NativeApi): void {
  try {
    const { outputDirectory, options } = readEnvironment(process.env);
    const native = load();
    const registry = new Registry(native);
    // Another copy of this package may have been registered as well.
    if (registry.current?.startedBy === STARTED_BY) return;
    const directory = prepareDirectory(outputDirectory);
    const when = new Date();
    const profiler = startAs(load, STARTED_BY, options);
    subscribe(FAILURE_CHANNEL, sayFailure);
    process.on('exit', () => writeAtExit(native, registry, profiler, directory, when));
    armTermination(native, freeProfilePath(directory, when, process.pid));
  } catch (error) {
    say(`not profiling this program: ${messageOf(error)}`);
  }
}

/** Leaves a signal alone that the program already handles; a listener it adds later replaces ours. */
function armTermination(native: NativeApi, path: string): void {
  try {
    const free = TERMINATING.filter((name) => process.listenerCount(name) === 0);
    native.armTermination({ signals: free.map((name) => constants.signals[name]), path });
  } catch (error) {
    say(`a profile will be written at exit, but not when a signal ends the program: ${messageOf(error)}`);
  }
}

function writeAtExit(native: NativeApi, registry: Registry, profiler: Profiler, directory: string, when: Date): void {
  try {
    if (registry.current?.profiler !== profiler || registry.current.stopping === true) {
      say('the program has stopped the profiler itself, so there is no profile to write');
    } else {
      write(profiler.stopSync(), directory, when);
    }
  } catch (error) {
    // A failure to serialize has been said already, by the channel.
    if ((error as { code?: unknown } | null)?.code === 'ERR_PRONGHORN_NOT_STARTED') say(messageOf(error));
  } finally {
    // Only now: a signal that arrives while the file is written must not lose it.
    disarm(native);
  }
}

function write(profile: Profile, directory: string, when: Date): void {
  try {
    writeNewProfileSync(directory, when, process.pid, profile.data);
  } catch (error) {
    // The folder was writable at the start. A profile in the wrong place is better than none.
    try {
      const path = writeNewProfileSync(tmpdir(), when, process.pid, profile.data);
      say(`the profile could not be written to ${directory} (${messageOf(error)}); it is in ${path}`);
    } catch {
      say(`the profile could not be written to ${directory}: ${messageOf(error)}`);
    }
  }
}

function disarm(native: NativeApi): void {
  try {
    native.disarmTermination();
  } catch (error) {
    say(messageOf(error));
  }
}

function sayFailure(message: unknown): void {
  say((message as FailureMessage).error.message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
