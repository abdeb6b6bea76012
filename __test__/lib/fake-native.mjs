// A stand-in for the native half, for tests of the TypeScript around it. It records the calls and lets a test decide when a promise settles.

/** Statistics with the fields that the tests look at. */
export const someStats = (samples) => ({ samples, droppedSamples: 0, leftBehind: [] });

export function nativeError(code, message = 'native says so') {
  return Object.assign(new Error(message), { code });
}

export function fakeNative() {
  const shared = {};
  const calls = [];
  let running = false;
  let clock = 1_700_000_000_000_000_000n;
  const fake = {
    calls,
    /** Promises that rotate() and stop() hand out wait for this, if it is set. */
    gate: undefined,
    /** Thrown by the next serialization. */
    nextFailure: undefined,
    onFailure: undefined,
    probe: () => ({ supported: true, reason: '' }),
    start(options, probeFunction, onFailure) {
      calls.push(['start', options]);
      if (running) throw nativeError('ERR_PRONGHORN_ALREADY_STARTED');
      if (probeFunction(() => 42) !== 42) throw new Error('the probe function must call back and return the result');
      running = true;
      fake.onFailure = onFailure;
      return fake.capabilities();
    },
    async rotate() {
      calls.push(['rotate']);
      return fake.serialize();
    },
    async stop() {
      calls.push(['stop']);
      if (!running) throw nativeError('ERR_PRONGHORN_NOT_STARTED');
      running = false;
      return fake.serialize();
    },
    stopSync() {
      calls.push(['stopSync']);
      running = false;
      if (fake.nextFailure) throw fake.nextFailure;
      return fake.profile();
    },
    async serialize() {
      const failure = fake.nextFailure;
      fake.nextFailure = undefined;
      await fake.gate;
      if (failure) throw failure;
      return fake.profile();
    },
    profile() {
      const startTimeNanos = clock;
      clock += 1_000_000_000n;
      return { data: Buffer.from(`profile from ${startTimeNanos}`), startTimeNanos, endTimeNanos: clock, stats: someStats(7) };
    },
    stats: () => someStats(3),
    capabilities: () => ({ walk: true, reasons: [], signal: 40, v8Version: '13.6', frames: 'full' }),
    registry: () => shared,
    armTermination: ({ signals }) => signals,
    disarmTermination() {},
  };
  return fake;
}
