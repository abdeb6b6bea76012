/**
 * The worker's half of a cluster session: does what the primary says, one command after the other, and hands over the last profile when
 * the process ends. Loaded by the dormant agent when the primary first speaks.
 *
 * The last profile goes through the pipe at the `exit` event, or before process.execve(). Where a signal ends the process there is no such event: then
 * the native half writes it into a file that the primary holds open.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { startExclusively } from '../api.js';
import { EXEC_CHANNEL, type ProfileMessage } from '../channels.js';
import { onFork } from './fork.js';
import { AnswerPipe } from './pipe.js';
import { type AgentSetting, type Answer, type Command, FrameReader, type StartOrder, toWire } from './wire.js';
import { notStarted, PronghornError } from '../errors.js';
import { closeLastWill, type LastWillAddress, openLastWill } from './last-will.js';
import type { NativeApi } from '../native-api.js';
import { loadNative } from '../native.js';
import type { Profile } from '../profile.js';
import type { Profiler } from '../profiler.js';
import { armTermination } from '../termination.js';

/** How long the end of a worker waits for a primary that does not read. */
const LAST_WORDS_MS = 1_000;

/**
 * Serves the primary until it closes the pipe.
 *
 * @param socket keeps nothing alive; may have bytes that nobody has read
 */
export function serveCluster(socket: Socket, setting: AgentSetting): void {
  const worker = new ClusterWorker(new AnswerPipe(socket, setting.fd));
  onFork(() => {
    worker.abandon();
    socket.destroy();
  });
  if (setting.start !== undefined) worker.start(setting.start);
  const frames = new FrameReader();
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const { header } of frames.push(chunk)) worker.obey(header as Command);
    } catch {
      socket.destroy();
    }
  });
  socket.on('close', () => void worker.leave());
}

/** A run of the profiler on the primary's behalf. */
interface Run {
  session: string;
  profiler: Profiler;
  /** A rotation whose profile has not been handed over. */
  rotating: boolean;
  native: NativeApi;
  /** Takes out what the run has hooked into the process. */
  disarm(): void;
}

class ClusterWorker {
  readonly #pipe: AnswerPipe;
  #run: Run | undefined;
  /** Why the profiler does not run for a session that asked for it. */
  #refused: { session: string; error: unknown } | undefined;
  /** Commands are carried out in the order in which they came. */
  #last: Promise<void> = Promise.resolve();

  constructor(pipe: AnswerPipe) {
    this.#pipe = pipe;
  }

  obey(command: Command): void {
    this.#last = this.#last.then(() => {
      if (command.do === 'start') return this.start(command);
      return this.#deliver(command);
    });
  }

  /** Starts the profiler and says how that went. */
  start(order: StartOrder): void {
    const { session } = order;
    try {
      const native = loadNative();
      const profiler = startExclusively(() => native, 'startCluster() in the cluster primary', order.options, order.test, 'startCluster()');
      this.#run = { session, profiler, rotating: false, native, disarm: this.#arm(native, order.lastWill) };
      this.#pipe.send({ session, is: 'started', begunByNanos: String(native.readClock().realtimeNanos) });
    } catch (error) {
      this.#refused = { session, error };
      this.#pipe.send({ session, is: 'started', error: toWire(error) });
    }
  }

  /** The primary has gone, or does not want us any more: nobody would get the profile. */
  async leave(): Promise<void> {
    const run = this.#takeRun();
    if (run === undefined) return;
    run.disarm();
    await run.profiler.stop().catch(() => undefined);
  }

  /** In a child of a fork: its profiler belongs to no session. */
  abandon(): void {
    this.#takeRun()?.disarm();
  }

  async #deliver(command: Extract<Command, { request: number }>): Promise<void> {
    const { session, request } = command;
    const run = this.#run;
    try {
      if (run?.session !== session) throw this.#refused?.session === session ? this.#refused.error : notStarted();
      if (command.do === 'stop') this.#takeRun();
      run.rotating = true;
      const profile = await (command.do === 'stop' ? run.profiler.stop() : run.profiler.rotate());
      run.rotating = false;
      this.#pipe.send(partOf(profile, run.profiler, { session, request }), profile.data);
    } catch (error) {
      if (run !== undefined) run.rotating = false;
      this.#pipe.send({ session, is: 'part', request, error: toWire(error) });
    }
    if (command.do === 'stop') run?.disarm();
  }

  #takeRun(): Run | undefined {
    const run = this.#run;
    this.#run = undefined;
    return run;
  }

  /** @returns a function that takes the hooks out */
  #arm(native: NativeApi, lastWill: LastWillAddress | undefined): () => void {
    const atExit = (): void => this.#lastWords();
    process.on('exit', atExit);
    const onExec = (message: unknown): void => this.#beforeExec((message as ProfileMessage).profile);
    subscribe(EXEC_CHANNEL, onExec);
    const file = openLastWill(lastWill);
    let armed = false;
    try {
      if (file !== undefined) {
        armTermination(native, `/proc/self/fd/${file}`, { existing: true });
        armed = true;
      }
    } catch {
      // The profile is still handed over at every other end.
    }
    return () => {
      process.removeListener('exit', atExit);
      unsubscribe(EXEC_CHANNEL, onExec);
      // In a child of a fork the native half has taken back its own handlers.
      if (armed && !native.forkState().forked) native.disarmTermination();
      if (file !== undefined && lastWill !== undefined) closeLastWill(file, lastWill);
    };
  }

  /** The process becomes another program: what it was until now is over. If it does not, the run goes on. */
  #beforeExec(profile: Profile): void {
    const run = this.#run;
    if (run === undefined) return;
    const { session, profiler } = run;
    this.#pipe.send(partOf(profile, profiler, { session, exec: true }), profile.data);
    this.#pipe.flushSync(LAST_WORDS_MS);
    // Runs only if execve has thrown.
    queueMicrotask(() => {
      if (!run.native.forkState().forked) this.#pipe.send({ session, is: 'goesOn' });
    });
  }

  #lastWords(): void {
    if (this.#run?.native.forkState().forked === true) return;
    const run = this.#takeRun();
    if (run === undefined) return;
    const { session } = run;
    try {
      if (run.rotating) {
        const message = 'the worker ended while one of its profiles was being serialized; that one is lost';
        this.#pipe.send({ session, is: 'part', error: toWire(new PronghornError('ERR_PRONGHORN_WORKER_LOST', message)) });
      }
      const profile = run.profiler.stopSync();
      this.#pipe.send(partOf(profile, run.profiler, { session }), profile.data);
    } catch (error) {
      this.#pipe.send({ session, is: 'part', error: toWire(error) });
    }
    this.#pipe.flushSync(LAST_WORDS_MS);
    // Only now: a signal that arrives in the meantime must not lose the profile.
    run.disarm();
  }
}

function partOf(profile: Profile, { failure }: Profiler, of: { session: string; request?: number; exec?: true }): Answer {
  const { startTimeNanos, endTimeNanos, stats } = profile;
  const period = { startTimeNanos: String(startTimeNanos), endTimeNanos: String(endTimeNanos), stats };
  return { ...of, is: 'part', period, failure: failure && toWire(failure) };
}
