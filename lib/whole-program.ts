/**
 * Profiles a program from its start to its end, whichever end that is, and writes one file, or, with exporters, delivers a profile each period. This is what
 * `register` does. With a duration that ends the profile, and the program goes on.
 *
 * The file is written by the `exit` event (a normal end, process.exit(), an uncaught exception) or, when SIGINT, SIGTERM or SIGHUP
 * ends the process, by the native half's own handler. No JavaScript signal listener is installed: one would keep the program alive.
 * With exporters a natural end waits for the uploads, up to the deadline of a stop; where there is no time for that, what no exporter can write at once becomes a
 * file. Before process.execve() the profile so far is written. A child of fork(2) writes a file of its own.
 * Nothing here ever throws or changes how the program ends.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { tmpdir } from 'node:os';
import { startAs } from './api.js';
import type { Undelivered } from './continuous.js';
import { ERROR_CHANNEL, EXEC_CHANNEL, EXPORT_CHANNEL, STOP_CHANNEL, type ErrorMessage, type ExportMessage, type ProfileMessage } from './channels.js';
import { readEnvironment } from './environment.js';
import { InvalidOptionError } from './errors.js';
import type { ContinuousOptions } from './export/options.js';
import { variableOf } from './export/variables.js';
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
import { type Cancel, type Time, timeOf } from './time.js';

const STARTED_BY = 'pronghorn/register';

/**
 * Starts the profiler and arranges for the file.
 *
 * @param load returns the native half or throws
 */
export function profileWholeProgram(load: () => NativeApi): void {
  try {
    const { outputDirectory, durationMs, quiet, options } = readEnvironment(process.env);
    const native = load();
    // Another copy of this package may have been registered as well.
    if (new Registry(native).current?.startedBy === STARTED_BY) return;
    const delivers = (options.exporters ?? []).length > 0;
    const writes = writesFiles(options);
    const directory = folderFor(outputDirectory, delivers && !writes);
    const when = new Date();
    const profiler = startAs(load, STARTED_BY, options, true);
    subscribe(ERROR_CHANNEL, sayFailure);
    const { chain, identity } = forkAware(native);
    const program: WholeProgram = new WholeProgram({ native, profiler, identity, directory, delivers, writes, durationMs, quiet, time: timeOf(chain), leave: () => leave() }, when);
    const leave = chain.join(program);
    program.start();
    program.started();
  } catch (error) {
    say(`not profiling this program: ${inWordsOfEnvironment(error)}`);
  }
}

/** The program has set variables, and not the options that they became. */
function inWordsOfEnvironment(error: unknown): string {
  if (!(error instanceof InvalidOptionError)) return messageOf(error);
  return messageOf(error)
    .replace(error.option, variableOf(error.option, process.env))
    .replaceAll(/exporters\[\d+\]\.\w+/g, (path) => variableOf(path, process.env));
}

/** @param mayDiffer a container with exporters may have no folder that can be written to; files are only for what they cannot get there */
function folderFor(outputDirectory: string, mayDiffer: boolean): string {
  try {
    return prepareDirectory(outputDirectory);
  } catch (error) {
    if (mayDiffer) return tmpdir();
    throw error;
  }
}

function writesFiles({ exporters = [] }: ContinuousOptions): boolean {
  return exporters.some((exporter) => 'type' in exporter && exporter.type === 'file');
}

/** What does not change as long as the program runs. */
interface Setup {
  native: NativeApi;
  profiler: Profiler;
  identity: Identity;
  /** Absolute. */
  directory: string;
  /** Whether there are exporters. */
  delivers: boolean;
  /** Whether one of them writes files. */
  writes: boolean;
  /** How long each process is profiled, in milliseconds; undefined: until it ends. */
  durationMs: number | undefined;
  /** Whether nothing is said but that a program is not profiled, and that a profile is lost or is not where it was to be. */
  quiet: boolean;
  time: Time;
  /** Takes it out of the chain. */
  leave: () => void;
}

interface State {
  /** The start of this process's profile, which its file is named after. */
  readonly when: Date;
  /** Takes back the timer of the duration. */
  cancel: Cancel;
  /** The duration is over. */
  timeIsOver: boolean;
  /** The end has come, and this writes the profile. */
  ending: boolean;
  /** The profiler has been stopped, by whomever, and its last profile has been made. */
  stopped: boolean;
  /** The profile of a duration that is over, until its file is there. */
  inHand: Profile | undefined;
  /** Exporters whose trouble has been said; it is said again after a success. */
  readonly troubled: Set<string>;
}

const fresh = (when: Date): State => ({ when, cancel: nothing, timeIsOver: false, ending: false, stopped: false, inHand: undefined, troubled: new Set() });

const nothing = (): void => undefined;

/** The end of the program, or of the duration, and what is written then. */
class WholeProgram implements ForkComponent {
  readonly name = 'whole program';
  readonly #setup: Setup;
  readonly #onBeforeExit = (): void => this.#deliverBeforeExit();
  readonly #onExit = (): void => this.#writeAtExit();
  readonly #onStop = (message: unknown): void => this.#stopped((message as ProfileMessage).profile);
  readonly #onExec = (message: unknown): void => this.#writeBeforeExec((message as ProfileMessage).profile);
  readonly #onExport = (message: unknown): void => this.#sayTrouble(message as ExportMessage);
  #state: State;

  constructor(setup: Setup, when: Date) {
    this.#setup = setup;
    this.#state = fresh(when);
  }

  start(): void {
    // Never twice, also if an attempt of the chain has failed after this.
    this.hooksOff();
    process.on('exit', this.#onExit);
    if (this.#setup.delivers) process.on('beforeExit', this.#onBeforeExit);
    subscribe(EXEC_CHANNEL, this.#onExec);
    subscribe(STOP_CHANNEL, this.#onStop);
    subscribe(EXPORT_CHANNEL, this.#onExport);
    const { durationMs, time } = this.#setup;
    if (durationMs !== undefined) this.#state.cancel = time.after(durationMs, () => void this.#endWithDuration());
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
    this.#state.cancel();
    process.removeListener('exit', this.#onExit);
    process.removeListener('beforeExit', this.#onBeforeExit);
    unsubscribe(EXEC_CHANNEL, this.#onExec);
    unsubscribe(STOP_CHANNEL, this.#onStop);
    unsubscribe(EXPORT_CHANNEL, this.#onExport);
  }

  resetAfterFork({ reading, verdict }: Reset): void {
    this.#state = fresh(new Date(Number(reading.realtimeNanos / 1_000_000n)));
    if (!verdict.restart) this.#setup.leave();
  }

  /** Nothing is left for the program to do: there is time to upload. The wait keeps the process alive. */
  #deliverBeforeExit(): void {
    const { native, profiler } = this.#setup;
    // Like the one at exit. The event comes again when the uploads are done.
    if (native.forkState().forked || !this.#runs()) return;
    // What fails is published, and said.
    profiler.stop().catch(() => undefined);
  }

  /** The program goes on as if it had never been profiled. Never rejects. */
  async #endWithDuration(): Promise<void> {
    const { profiler, delivers, leave } = this.#setup;
    const state = this.#state;
    if (!this.#runs()) return;
    state.timeIsOver = true;
    // A failure is published, and said.
    await profiler.stop().catch(() => undefined);
    // The process has ended meanwhile, and this was done then; or it is a child that was forked off meanwhile, which has a state of its own.
    if (this.#state !== state || state.ending) return;
    if (delivers) this.#keep(profiler.giveUpDelivery() ?? { exporters: [], profiles: [] });
    else this.#writeInHand();
    this.hooksOff();
    leave();
  }

  #writeAtExit(): void {
    const { native, profiler, delivers } = this.#setup;
    // A child that ends before it was reset has no profile: nothing was sampled in it, and what there is is the parent's.
    if (native.forkState().forked) return;
    this.#state.ending = true;
    try {
      if (!delivers && !this.#runs() && !this.#state.timeIsOver) {
        this.#tell('the program has stopped the profiler itself, so there is no profile to write');
      } else if (this.#state.inHand !== undefined) {
        this.#writeInHand();
      } else if (this.#state.stopped) {
        this.#keep(profiler.giveUpDelivery() ?? { exporters: [], profiles: [] });
      } else {
        // Also where a stop is under way, for a natural end for example, and something ends the process before it is done.
        profiler.endSync((profile, undelivered) => {
          if (undelivered === undefined) this.#write(profile);
          else this.#keep(undelivered);
        });
      }
    } catch {
      // A failure to serialize has been said already, by the channel. If nothing runs any more, a signal has come just before, and the native half
      // writes the file.
    } finally {
      // Only now: a signal that arrives while the file is written must not lose it.
      disarm(native);
    }
  }

  /** Whether the profiler is ours and nobody has stopped it. */
  #runs(): boolean {
    const { current } = new Registry(this.#setup.native);
    return current?.profiler === this.#setup.profiler && current.stopping !== true;
  }

  /** Once for each time that an exporter gets into trouble, not for every period. */
  #sayTrouble({ exporter, outcome, reason, error }: ExportMessage): void {
    const { troubled } = this.#state;
    if (outcome === 'exported') return void troubled.delete(exporter);
    // What the end leaves no time for is said when it is known where it has gone.
    if (troubled.has(exporter) || (reason === 'stopped' && error === undefined)) return;
    if (outcome === 'failed' && this.#setup.quiet) return;
    troubled.add(exporter);
    const what = outcome === 'failed' ? 'has to wait' : reason === 'stopped' ? 'was not sent in time' : `is lost, ${reason}`;
    say(`a profile for ${exporter} ${what}${error === undefined ? '' : `: ${error.message}`}`);
  }

  /** The process ends too soon for uploads: what no exporter has got becomes files. A queue's bounds are theirs, too. */
  #keep({ exporters, profiles }: Undelivered): void {
    if (exporters.length === 0) return;
    const end = this.#state.ending ? 'the process ended' : 'the time was over';
    const what = `${end} before all profiles were sent to ${exporters.join(', ')}`;
    if (profiles.length === 0) return this.#tell(`${what}; the file exporter has them`);
    const paths = profiles.map((profile) => this.#write(profile, profile.startTime)).filter((path) => path !== undefined);
    if (paths.length > 0) say(`${what}; ${profiles.length === 1 ? 'the last is' : `the last ${profiles.length} are`} in ${paths.join(', ')}`);
  }

  /**
   * The program has stopped the profiler, and has the profile, or exporters have: nothing is left to be written when a signal ends it. Or the duration is over, and
   * whoever hears of the profile after this may end the process.
   */
  #stopped(profile: Profile): void {
    this.#state.stopped = true;
    if (this.#state.timeIsOver && !this.#setup.delivers) this.#state.inHand = profile;
    if (!this.#state.ending) disarm(this.#setup.native);
  }

  #writeBeforeExec(profile: Profile): void {
    const { delivers, writes, native } = this.#setup;
    // An exporter that writes files does so by itself.
    const path = writes ? undefined : this.#write(profile);
    if (delivers && path !== undefined) say(`process.execve() leaves no time to send the last profile; it is in ${path}`);
    // If the program goes on after all, what a signal writes must not take the place of this file.
    disarm(native);
    this.started();
  }

  /** What loses nobody a profile. */
  #tell(text: string): void {
    if (!this.#setup.quiet) say(text);
  }

  #writeInHand(): void {
    const { inHand } = this.#state;
    this.#state.inHand = undefined;
    if (inHand !== undefined) this.#write(inHand);
  }

  /** @returns where it is, unless that has been said, or it is nowhere */
  #write(profile: Profile, when = this.#state.when): string | undefined {
    const { directory, identity } = this.#setup;
    try {
      return writeNewProfileSync(directory, when, identity.pid, profile.data);
    } catch (error) {
      // The folder was writable at the start. A profile in the wrong place is better than none.
      try {
        const path = writeNewProfileSync(tmpdir(), when, identity.pid, profile.data);
        say(`the profile could not be written to ${directory} (${messageOf(error)}); it is in ${path}`);
      } catch {
        say(`the profile could not be written to ${directory}: ${messageOf(error)}`);
      }
      return undefined;
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
  say((message as ErrorMessage).error.message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
