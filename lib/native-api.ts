/**
 * The types of the native half, as `crates/pronghorn-node` exports it.
 *
 * They are written by hand so that the TypeScript compiles without a Rust toolchain; `npm run lint` compares them with the
 * `native.d.cts` that napi generates (scripts/native-conforms.ts), so the two cannot drift apart.
 */

/** Which native frames a stack shows: none, only the leaf's, or all that JavaScript called. */
export type NativeFrames = 'none' | 'leaf' | 'all';

/** Which JavaScript threads are profiled: the one that starts the profiler, or worker threads too. */
export type Threads = 'main' | 'all';

/** What `start` of the native half takes. Everything has been validated in TypeScript; Rust checks again, cheaply. */
export interface NativeStartOptions {
  /** CPU time between two samples of one thread, in nanoseconds. */
  intervalNanos: number;
  /** Frames a stack may have before its outermost ones are cut. */
  maxDepth: number;
  nativeFrames: NativeFrames;
  threads: Threads;
  /** Whether frames of generated code show their originals. */
  sourceMaps: boolean;
  /** How long a rotation waits for source maps at most, in nanoseconds; the native half has a limit of its own. */
  sourceMapPatienceNanos?: number;
  /** A turn of the event loop that takes longer is a stall, in nanoseconds; stalls are not watched for if it is missing. */
  stallThresholdNanos?: number;
  /** The file that reports of stalls are appended to; standard error if it is missing. */
  stallOutput?: string;
  /** Comment of every profile: the versions of pronghorn, Node and V8. */
  versions: string;
  /** Further comments. */
  comments?: string[];
  /** Labels of every sample of this process. */
  labels?: NumberLabel[];
  /** When the first period begins; now if it is missing. */
  reading?: ClockReading;
  /** Tests only: how many threads can be profiled at a time. */
  maxThreads?: number;
  /** Tests only: pretend to run in this V8 version. */
  v8Version?: [number, number];
  /** Tests only: the place in the native half whose next entry panics. */
  injectPanic?: string;
}

/** A label with a number. */
export interface NumberLabel {
  key: string;
  number: number;
}

/** One look at the clocks, in nanoseconds. */
export interface ClockReading {
  /** Since the epoch. */
  realtimeNanos: bigint;
  /** On the monotonic clock. */
  monotonicNanos: bigint;
  /** CPU time of the calling thread. */
  cpuNanos: bigint;
}

/** What is known of this process and the fork that made it. */
export interface ForkState {
  /** Whether it was forked off and has not been reset. */
  forked: boolean;
  /** How many forks lie between the process that first started the profiler and this one. */
  generation: number;
  /** getpid(2): `process.pid` is the parent's in a child. */
  pid: number;
  /** getppid(2). */
  parentPid: number;
  /** Whether the fork may have caught a native thread of ours inside V8: then nothing may be started. */
  late: boolean;
  /** Whether the calling thread is the one that forked and not the one that starts and stops the profiler. */
  worker: boolean;
  /** Whether the calling thread is the one that forked; false if `forked` is. */
  forkingThread: boolean;
  /** When it was forked off, by the monotonic clock; 0 if `forked` is false. */
  forkedAtMonotonicNanos: bigint;
}

/** How far one kind of V8 code can be read: proved on a real frame, not yet seen, or refused because a check failed. */
export type LayoutProof = 'proved' | 'unproved' | 'refused';

/** How forks of this process are noticed. */
export interface ForkSupport {
  /** Whether fork handlers are registered: then a fork waits for the profiler's own threads. */
  handlers: boolean;
  /** What else tells a child that it is one: a page that the kernel wipes, or a comparison of process ids. */
  witness: 'page' | 'process id';
  /** Why no handlers are registered; empty if they are. */
  reason: string;
}

/** What the profiler can do in this process. */
export interface Capabilities {
  /** V8's version as far as it matters to frame layouts, for example "13.6". */
  v8Version: string;
  /** `physical`: an unknown V8 version, so no inlined functions and no positions in optimized code. */
  frames: 'full' | 'physical';
  /** Whether JavaScript stacks are read at all. `reasons` says why not. */
  walk: boolean;
  /** One sentence for each thing that works less well than it could. */
  reasons: string[];
  /** Number of the real-time signal that interrupts the threads. */
  signal: number;
  fork: ForkSupport;
  /** Sparkplug code. */
  baseline: LayoutProof;
  /** Maglev and TurboFan code. */
  optimized: LayoutProof;
  /** Functions inlined into optimized code. */
  inlined: LayoutProof;
}

/** Samples of one thread that were still unresolved when the profiler stopped, because the thread was blocked in native code. */
export interface LeftBehind {
  threadId: number;
  threadName: string;
  samples: number;
}

/** Counters since `start()`. Times are nanoseconds. */
export interface Stats {
  /** Samples taken. */
  samples: number;
  /** Samples that found no room; their time went to the thread's next sample. */
  droppedSamples: number;
  /** Signals that came while the thread was at work on its own samples; their time went to the next sample. */
  deferredSamples: number;
  /** Loads of V8 memory that faulted and were fixed up. */
  faults: number;
  /** Walks refused before they began. */
  refusedWalks: number;
  /** Walks that did not reach the outermost frame, native ones below JavaScript aside. */
  brokenWalks: number;
  /** JavaScript frames that could not be given a function, a script or a line. */
  badFrames: number;
  /** Stacks deeper than `maxDepth`. */
  truncatedSamples: number;
  /** Samples that fell into a garbage collection. */
  gcSamples: number;
  /** Samples that fell into the event loop's wait. */
  idleSamples: number;
  /** Signals sent to threads of this process. */
  signalsSent: number;
  /** Signals that carried our number and were not ours; each was ignored. */
  forgedSignals: number;
  /** Signals that the kernel would not queue; each is tried again. */
  unqueuedSignals: number;
  /** Signals that their threads never got, since somebody else took them; each is sent again once that is seen. */
  lostSignals: number;
  /** Samples that reached the recorder. */
  recorded: number;
  /** Samples the recorder had no slot for. */
  droppedByRecorder: number;
  /** Profiles serialized. */
  serializations: number;
  /** Profiles whose serialization failed; each lost its period. */
  failedSerializations: number;
  serializeMinNanos: number;
  serializeMeanNanos: number;
  serializeMaxNanos: number;
  /** CPU time of the threads that made the profiles: names of native functions, encoding, compressing. Not what parses source maps. */
  encodeCpuNanos: number;
  /** Time inside the signal handler: median, 99th percentile and maximum. */
  handlerP50Nanos: number;
  handlerP99Nanos: number;
  handlerMaxNanos: number;
  /** All runs of the handler together, CPU time as the three above. */
  handlerTotalNanos: number;
  /** CPU time spent turning raw frames into functions and lines: all, and the longest pass. */
  resolveNanos: number;
  resolveMaxNanos: number;
  /** CPU time in which the stacks that cause collections of young objects were taken, estimated from ten of them a second at most; a full collection's is part of `resolveNanos`. */
  collectionNanos: number;
  /** Passes that ran out of time with samples left, which the next ones resolve. */
  unfinishedResolves: number;
  /** CPU time of the ticker thread. */
  tickerCpuNanos: number;
  /** Sets of labels that had to make room for others. */
  forgottenLabelSets: number;
  /** Samples whose labels had been forgotten by then; they are in the profile without them. */
  lostLabels: number;
  /** Turns of the event loop that took longer than `stallThresholdMs`. */
  stalls: number;
  /** Reports of them that were written. */
  stallReports: number;
  /** Reports that were not: within a second of another, or their output did not take them. */
  lostStallReports: number;
  /** How long `start()` kept the main thread. */
  startNanos: number;
  /** Forks of this process, those of child_process and cluster included. */
  forks: number;
  /** Forks that did not wait long enough for a native thread of ours; their children cannot be profiled. */
  lateForks: number;
  /** Time that our handlers took in this process, per fork: median and 99th percentile. */
  forkHandlersP50Nanos: number;
  forkHandlersP99Nanos: number;
  /** Source maps parsed. One that has not changed is parsed once. */
  sourceMapsLoaded: number;
  /** Source maps that cannot be used, each counted once. */
  sourceMapsFailed: number;
  /** Times that a script kept the lines of its generated code because its map was not there in time. */
  sourceMapsLate: number;
  /** Memory that parsed source maps take, in bytes. */
  sourceMapBytes: number;
  /** CPU time spent on loading them, on a thread of its own: all, and the longest one. */
  sourceMapNanos: number;
  sourceMapMaxNanos: number;
  /** What `stop()` could not collect. Empty until then. */
  leftBehind: LeftBehind[];
}

/** A source map that cannot be used. */
export interface SourceMapProblem {
  /** The script that names it. */
  script: string;
  /** Its path or URL; `inline` if the script has it itself. */
  map: string;
  /** Why not. */
  reason: string;
}

/** A frame of the stack that blocked the event loop. */
export interface StallFrame {
  /** A function of a script, of V8's own (`Array.prototype.map`), WebAssembly, a regular expression, or native code. */
  kind: 'script' | 'builtin' | 'wasm' | 'regexp' | 'native';
  /** Its name; `(anonymous)` if it has none, `[node]` or the like for native code of which only the binary is known. */
  function: string;
  /** The script, or the file's name of a binary; empty if there is none. */
  file: string;
  /** From 1; 0 if it is unknown. */
  line: number;
  /** From 1; 0 if it is unknown. */
  column: number;
}

/** A stall that is over. */
export interface NativeStall {
  /** The kernel's id of the process. */
  pid: number;
  /** When the event loop began to be blocked, in nanoseconds since the epoch. */
  startTimeNanos: bigint;
  durationNanos: number;
  thresholdNanos: number;
  /** When the stack was taken, in nanoseconds since the beginning. */
  takenAfterNanos: number;
  /** Whether the loop had not come round since the profiler started. */
  sinceStart: boolean;
  /** Innermost first. */
  frames: StallFrame[];
  /** Frames further out than those. */
  leftOut: number;
  /** The frames as text, a line each. */
  stack: string;
}

/** One serialized profile. */
export interface NativeProfile {
  /** gzipped pprof. */
  data: Buffer;
  /** Nanoseconds since the epoch, real-time clock. */
  startTimeNanos: bigint;
  endTimeNanos: bigint;
  stats: Stats;
  /** Source maps that turned out to be unusable since the profile before. */
  sourceMapProblems: SourceMapProblem[];
}

/** All of it but what finishedStats() has told. */
export type FinishedProfile = Omit<NativeProfile, 'stats'>;

/** Something that the resource of an OTLP request says of where the profile comes from. */
export interface OtlpAttribute {
  /** Such as `service.name`. */
  key: string;
  /** Numbers are integers. */
  value: string | number | boolean;
}

/** What `encodeOtlp` of the native half takes besides the profile. */
export interface OtlpOptions {
  /** Of attributes with the same key the last one counts. */
  resource: OtlpAttribute[];
  /** 16 random bytes for each sample type of the profile, in their order there. Profiles beyond these have no id. */
  profileIds?: Uint8Array[];
  /** Whether the result is a gzip stream. */
  gzip: boolean;
}

/** Whether this runtime can be profiled, and if not, what it lacks. */
export interface Probe {
  supported: boolean;
  reason: string;
}

/** The exports of the native half. Its errors carry a `code` of lib/errors.ts. */
export interface NativeApi {
  /** Never throws. */
  probe(): Probe;
  /** `probeFunction` is an ordinary, never optimized function on which the layout of interpreted code is proved. */
  start(
    options: NativeStartOptions,
    probeFunction: (callback: () => unknown) => unknown,
    onFailure: (code: string, message: string) => void,
    onFork: () => void,
    onStall: () => void,
  ): Capabilities;
  /**
   * Lets the calling worker thread take part if the profiler runs. `name` is its label, unless it is not sure of it and whoever made it
   * has said another. Returns whether it takes part.
   */
  joinThread(name: string, isSure?: boolean): boolean;
  /** The calling thread has made the worker thread `tid` (the kernel's id), called `name`: the profiler looks for it. */
  nameThread(tid: number, name: string): void;
  /**
   * On Node 20, where JavaScript is not told: a Worker's name, read from the object that Node keeps it in. `handle` must be that and nothing
   * else. Null if it has none, or no profiler runs.
   */
  workerName(handle: object, threadId: number): string | null;
  /**
   * The number of the set that has the labels of `outer` (a number, 0 for none) and on top of them these: key, value, key, value, and so on. 0 is
   * the set without labels.
   */
  internLabels(outer: number, labels: string[]): number;
  /** Memory that all threads share: lib/labels/scopes.ts. */
  labelTable(): Uint32Array;
  /** The number in force on this thread will be in the first word of `word`, which the caller keeps for ever. */
  trackLabelWord(word: Uint32Array): void;
  /** Where in V8's memory the store `wanted` of `storage`, an AsyncLocalStorage, lies while it is in force; 0 if it is not found. */
  findLabelStore(storage: object, wanted: number): number;
  /** The number in force on this thread will be the store of `storage`, which is `wanted` now. Returns the place, or 0 if that cannot be. */
  trackLabelStore(storage: object, wanted: number): number;
  /** Ends one period and begins the next. Serializes on another thread; the number is for finishedStats() and finishedProfile(). */
  rotate(): number;
  /** The same as rotate() on the calling thread, for what cannot wait. */
  rotateSync(): NativeProfile;
  /**
   * Switches the collector off at once, then serializes the last period on another thread; the number is for finishedStats() and finishedProfile(). Null
   * instead: the collector is off, and a first slice was not enough for this thread's samples; each further call is another one, and with
   * `whole` it takes its time.
   */
  stop(whole: boolean): number | null;
  /** The same on the calling thread, for the process's `exit` event. */
  stopSync(): NativeProfile;
  /** The counters of the profile of rotate() or stop(), by its number, which stays where it is; undefined while it is being made, null if finishedProfile() has none. */
  finishedStats(work: number): Stats | null | undefined;
  /** That profile, once; undefined while it is being made, null if takeFinished() was faster. Throws what has made it fail. */
  finishedProfile(work: number): FinishedProfile | null | undefined;
  /** For the process's end: the profile of rotate() or stop() whose promise has not been settled, waited for up to a second. Null if there is none. */
  takeFinished(): NativeProfile | null;
  /** Makes the body of an OTLP profiles request with this pprof, gzipped or not, on another thread; the number is for encodedOtlp(). Needs no profiler that runs. */
  encodeOtlp(pprof: Uint8Array, options: OtlpOptions): number;
  /** That body, once; undefined while it is being made. Throws what has made it fail. */
  encodedOtlp(work: number): Buffer | undefined;
  /** After stop(): forks are looked for before the event loop polls, as while the profiler runs, until endWatch(). Neither does anything while it runs. */
  watchForks(onFailure: (code: string, message: string) => void, onFork: () => void): void;
  endWatch(): void;
  /** The oldest stall that has ended, each handed out once; `onStall` says when. `stopping`: one that is under way counts as ended. Null if there is none. */
  takeStall(stopping: boolean): NativeStall | null;
  stats(): Stats;
  capabilities(): Capabilities;
  /** The clocks at this moment. */
  readClock(): ClockReading;
  /** Whether this process was forked off, and how. Works before any start; costs a few loads while it was not. */
  forkState(): ForkState;
  /** Whether libuv's thread pool works: not in a child of a fork that ran no handlers. */
  hasThreadPool(): boolean;
  /** The reset after a fork, in this order. Each step throws if those before it were not done; none does anything in a process of its own. */
  hooksOff(): void;
  resetCollector(): void;
  resetRecorder(reading: ClockReading): void;
  resetBinding(): void;
  /** The last step where nothing shall be started; otherwise a start is. */
  acknowledgeFork(): void;
  /** Before the process becomes another program: no signal of ours is sent or under way when this returns. */
  suspend(): void;
  /** It did not. */
  resume(): void;
  /** One object per process and JavaScript thread, whichever copy of this package asks. */
  registry(): object;
  /**
   * Installs handlers that write the profile to `path` and let the process die. It must not exist, or with `existing` it must, and is overwritten.
   * Returns the signals that were armed.
   */
  armTermination(options: { signals: number[]; path: string; existing?: boolean }): number[];
  disarmTermination(): void;
}
