/**
 * Profiles a program from its start to its end, whichever end that is, and writes one file. This is what `register` does.
 *
 * The file is written by the `exit` event (a normal end, process.exit(), an uncaught exception) or, when SIGINT, SIGTERM or SIGHUP
 * ends the process, by the native half's own handler. No JavaScript signal listener is installed: one would keep the program alive.
 * Before process.execve() the profile so far is written. A child of fork(2) writes a file of its own.
 * Nothing here ever throws or changes how the program ends.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { tmpdir } from 'node:os';
import { startAs } from './api.js';
import { EXEC_CHANNEL, FAILURE_CHANNEL, STOP_CHANNEL, type FailureMessage, type ProfileMessage } from './channels.js';
import { readEnvironment } from './environment.js';
import { freeProfilePath, prepareDirectory, writeNewProfileSync } from './files.js';
import { forkAware } from './fork/aware.js';
import type { ForkComponent, Reset } from './fork/component.js';
import type { Identity } from './identity.js';
import type { NativeApi } from './native-api.js';
import type { Profile } from './profile.js';
import type { Profiler } from './profiler.js';
import { Registry } from './registry.js';
import { say } from './stderr.js';
import { armTermination } from './termination.js';

const STARTED_BY = 'pronghorn/register';

/**
 * Starts the profiler and arranges for the file.
 *
 * @param load returns the native half or throws
 */
export function profileWholeProgram(load: () => NativeApi): void {
  try {
    const { outputDirectory, options } = readEnvironment(process.env);
    const native = load();
    // Another copy of this package may have been registered as well.
    if (new Registry(native).current?.startedBy === STARTED_BY) return;
    const directory = prepareDirectory(outputDirectory);
    const when = new Date();
    const profiler = startAs(load, STARTED_BY, options);
    subscribe(FAILURE_CHANNEL, sayFailure);
    const { chain, identity } = forkAware(native);
    const program: WholeProgram = new WholeProgram({ native, profiler, identity, directory, leave: () => leave() }, when);
    const leave = chain.join(program);
    program.start();
    program.started();
  } catch (error) {
    say(`not profiling this program: ${messageOf(error)}`);
  }
}

/** What does not change as long as the program runs. */
interface Setup {
  native: NativeApi;
  profiler: Profiler;
  identity: Identity;
  /** Absolute. */
  directory: string;
  /** Takes it out of the chain. */
  leave: () => void;
}

interface State {
  /** The start of this process's profile, which its file is named after. */
  readonly when: Date;
  /** The end has come, and this writes the profile. */
  ending: boolean;
}

const fresh = (when: Date): State => ({ when, ending: false });

/** The end of the program, and what is written then. */
class WholeProgram implements ForkComponent {
  readonly name = 'whole program';
  readonly #setup: Setup;
  readonly #onExit = (): void => this.#writeAtExit();
  readonly #onStop = (): void => this.#leaveSignalsAlone();
  readonly #onExec = (message: unknown): void => this.#writeBeforeExec((message as ProfileMessage).profile);
  #state: State;

  constructor(setup: Setup, when: Date) {
    this.#setup = setup;
    this.#state = fresh(when);
  }

  start(): void {
    // Never twice, also if an attempt of the chain has failed after this.
    this.hooksOff();
    process.on('exit', this.#onExit);
    subscribe(EXEC_CHANNEL, this.#onExec);
    subscribe(STOP_CHANNEL, this.#onStop);
  }

  /** Leaves a signal alone that the program already handles; a listener it adds later replaces ours. */
  started(): void {
    const { native, directory, identity } = this.#setup;
    try {
      armTermination(native, freeProfilePath(directory, this.#state.when, identity.pid));
    } catch (error) {
      say(`a profile will be written at exit, but not when a signal ends the program: ${messageOf(error)}`);
    }
  }

  /** The native half takes back its own signal handlers. */
  hooksOff(): void {
    process.removeListener('exit', this.#onExit);
    unsubscribe(EXEC_CHANNEL, this.#onExec);
    unsubscribe(STOP_CHANNEL, this.#onStop);
  }

  resetAfterFork({ reading, verdict }: Reset): void {
    this.#state = fresh(new Date(Number(reading.realtimeNanos / 1_000_000n)));
    if (!verdict.restart) this.#setup.leave();
  }

  #writeAtExit(): void {
    const { native, profiler } = this.#setup;
    // A child that ends before it was reset has no profile: nothing was sampled in it, and what there is is the parent's.
    if (native.forkState().forked) return;
    this.#state.ending = true;
    try {
      const { current } = new Registry(native);
      if (current?.profiler !== profiler || current.stopping === true) {
        say('the program has stopped the profiler itself, so there is no profile to write');
      } else {
        this.#write(profiler.stopSync());
      }
    } catch {
      // A failure to serialize has been said already, by the channel. If nothing runs any more, a signal has come just before, and the native half
      // writes the file.
    } finally {
      // Only now: a signal that arrives while the file is written must not lose it.
      disarm(native);
    }
  }

  /** The program has stopped the profiler, and has the profile: nothing is left to be written when a signal ends it. */
  #leaveSignalsAlone(): void {
    if (!this.#state.ending) disarm(this.#setup.native);
  }

  #writeBeforeExec(profile: Profile): void {
    this.#write(profile);
    // If the program goes on after all, what a signal writes must not take the place of this file.
    disarm(this.#setup.native);
    this.started();
  }

  #write(profile: Profile): void {
    const { directory, identity } = this.#setup;
    const { when } = this.#state;
    try {
      writeNewProfileSync(directory, when, identity.pid, profile.data);
    } catch (error) {
      // The folder was writable at the start. A profile in the wrong place is better than none.
      try {
        const path = writeNewProfileSync(tmpdir(), when, identity.pid, profile.data);
        say(`the profile could not be written to ${directory} (${messageOf(error)}); it is in ${path}`);
      } catch {
        say(`the profile could not be written to ${directory}: ${messageOf(error)}`);
      }
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
