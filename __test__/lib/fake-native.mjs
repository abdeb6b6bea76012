// A stand-in for the native half, for tests of the TypeScript around it. It records the calls, lets a test decide when a promise settles,
// and can pretend that the process has been forked off: like the real one it insists on the order of the reset.

/** Statistics with the fields that the tests look at. */
export const someStats = (samples) => ({ samples, droppedSamples: 0, leftBehind: [] });

export function nativeError(code, message = 'native says so') {
  return Object.assign(new Error(message), { code });
}

const RESET = ['hooksOff', 'resetCollector', 'resetRecorder', 'resetBinding'];

/** @param beside another one in the same process, as a second copy of the package has it */
export function fakeNative(beside = undefined) {
  const shared = beside?.registry() ?? {};
  const calls = [];
  let running = false;
  let ending = false;
  /** What was made last, and nobody has fetched. */
  let finished;
  /** Each by its number. */
  const works = new Map();
  let lastWork = 0;
  let clock = 1_700_000_000_000_000_000n;
  let fork = { forked: false, generation: 0, pid: 4_000, parentPid: 1, late: false, worker: false, forkingThread: false, forkedAtMonotonicNanos: 0n };
  let done = [];
  const here = () => {
    if (fork.forked) throw nativeError('ERR_PRONGHORN_FORKED', 'this process has not been reset');
  };
  const step = (name, ...args) => {
    calls.push([name, ...args]);
    const index = RESET.indexOf(name);
    if (!RESET.slice(0, index).every((before) => done.includes(before))) throw nativeError('ERR_PRONGHORN_FORKED', `${name} comes too early`);
    done = [...RESET.slice(0, index), name];
  };
  const acknowledge = () => {
    if (!fork.forked) return;
    if (done.length < RESET.length) throw nativeError('ERR_PRONGHORN_FORKED', 'the reset is not complete');
    fork = { ...fork, forked: false, forkedAtMonotonicNanos: 0n };
    done = [];
  };
  const fake = {
    calls,
    /** What rotate() and stop() have begun waits for this, if it is set. */
    gate: undefined,
    /** How many slices a stop needs before this thread has resolved all. */
    unresolved: 0,
    /** Thrown by the next serialization. */
    nextFailure: undefined,
    onFailure: undefined,
    onFork: undefined,
    onStall: undefined,
    /** What takeStall() hands out next. */
    stall: null,
    takeStall(stopping) {
      here();
      calls.push(['takeStall', stopping]);
      const { stall } = fake;
      fake.stall = null;
      return stall;
    },
    /** From here on this is the child. */
    fork(how = {}) {
      fork = { ...fork, forked: true, generation: fork.generation + 1, parentPid: fork.pid, pid: fork.pid + 1, forkedAtMonotonicNanos: 1_000n, ...how };
      running = false;
      ending = false;
      works.clear();
      calls.length = 0;
    },
    /** What the child's event loop does before it first polls. */
    poll() {
      if (fork.forked) fake.onFork?.();
    },
    probe: () => ({ supported: true, reason: '' }),
    start(options, probeFunction, onFailure, onFork, onStall) {
      calls.push(['start', options]);
      if (fork.forked && done.length < RESET.length) throw nativeError('ERR_PRONGHORN_FORKED', 'start comes too early');
      if (running) throw nativeError('ERR_PRONGHORN_ALREADY_STARTED');
      if (probeFunction(() => 42) !== 42) throw new Error('the probe function must call back and return the result');
      if (options.reading !== undefined) clock = options.reading.realtimeNanos;
      running = true;
      fake.onFailure = onFailure;
      fake.onFork = onFork;
      fake.onStall = onStall;
      acknowledge();
      return fake.capabilities();
    },
    rotate() {
      here();
      calls.push(['rotate']);
      return fake.give();
    },
    finishedStats(number) {
      here();
      const work = works.get(number);
      if (work === undefined) throw nativeError('ERR_PRONGHORN_FORKED', 'no such work');
      if (!work.isThere) return undefined;
      return finished === work && !work.failure ? work.profile.stats : null;
    },
    finishedProfile(number) {
      here();
      const work = works.get(number);
      if (work === undefined) throw nativeError('ERR_PRONGHORN_FORKED', 'no such work');
      if (!work.isThere) return undefined;
      works.delete(number);
      if (finished !== work) return null;
      finished = undefined;
      if (work.failure) throw work.failure;
      const { stats: _told, ...profile } = work.profile;
      return profile;
    },
    takeFinished() {
      here();
      calls.push(['takeFinished']);
      const taken = finished;
      finished = undefined;
      if (taken?.failure) throw taken.failure;
      return taken?.profile ?? null;
    },
    rotateSync() {
      here();
      calls.push(['rotateSync']);
      if (fake.nextFailure) throw fake.nextFailure;
      return fake.profile();
    },
    stop(whole) {
      here();
      if (!running && !ending) throw nativeError('ERR_PRONGHORN_NOT_STARTED');
      if (running) calls.push(['stop']);
      if (whole) calls.push(['stop', 'whole']);
      running = false;
      ending = fake.unresolved > 0 && !whole;
      if (!ending) return fake.give();
      if (fake.unresolved !== Infinity) fake.unresolved -= 1;
      return null;
    },
    stopSync() {
      here();
      calls.push(['stopSync']);
      running = false;
      ending = false;
      if (fake.nextFailure) throw fake.nextFailure;
      return fake.profile();
    },
    /** The work is done at once; whoever looks for it by its number waits for the gate. */
    give() {
      const work = fake.nextFailure ? { failure: fake.nextFailure } : { profile: fake.profile() };
      fake.nextFailure = undefined;
      finished = work;
      if (fake.gate === undefined) work.isThere = true;
      else void fake.gate.then(() => (work.isThere = true));
      works.set(++lastWork, work);
      return lastWork;
    },
    profile() {
      const startTimeNanos = clock;
      clock += 1_000_000_000n;
      return { data: Buffer.from(`profile from ${startTimeNanos}`), startTimeNanos, endTimeNanos: clock, stats: someStats(7), sourceMapProblems: [] };
    },
    stats() {
      here();
      return someStats(3);
    },
    capabilities() {
      here();
      return { walk: true, reasons: [], signal: 40, v8Version: '13.6', frames: 'full' };
    },
    forkState: () => ({ ...fork }),
    hasThreadPool: () => true,
    readClock: () => ({ realtimeNanos: clock, monotonicNanos: 5_000n, cpuNanos: 200n }),
    hooksOff: () => step('hooksOff'),
    resetCollector: () => step('resetCollector'),
    resetRecorder: (reading) => step('resetRecorder', reading),
    resetBinding: () => step('resetBinding'),
    acknowledgeFork() {
      calls.push(['acknowledgeFork']);
      acknowledge();
    },
    watchForks(_onFailure, onFork) {
      here();
      fake.onFork = onFork;
    },
    endWatch: () => here(),
    suspend: () => calls.push(['suspend']),
    resume: () => calls.push(['resume']),
    nameThread: (tid, name) => calls.push(['nameThread', tid, name]),
    workerName: () => null,
    registry: () => shared,
    armTermination({ signals, path }) {
      here();
      calls.push(['armTermination', path]);
      return signals;
    },
    disarmTermination() {
      here();
      calls.push(['disarmTermination']);
    },
  };
  return fake;
}
