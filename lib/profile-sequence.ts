/**
 * The profiles of a process, one after the other: makes them of what the native half delivers, numbers them, says which process they are from, and knows up to
 * where time has been covered. Where they go from here is the affair of exporters (export/exporter.ts).
 */
import { publishSourceMap } from './channels.js';
import type { ForkComponent, Reset } from './fork/component.js';
import type { Identity } from './identity.js';
import type { NativeProfile } from './native-api.js';
import { Profile } from './profile.js';

interface State {
  /** The number of the next profile. */
  sequence: number;
  /** End of the last profile, or start of the first: nanoseconds since the epoch. */
  lastFlushNanos: bigint;
}

const fresh = (lastFlushNanos: bigint): State => ({ sequence: 0, lastFlushNanos });

/** One per process. */
export class ProfileSequence implements ForkComponent {
  readonly name = 'profile sequence';
  readonly #identity: Identity;
  #state = fresh(0n);

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** A run begins: what lies before it is no lost time. */
  begin(nanos: bigint): void {
    this.#state.lastFlushNanos = nanos;
  }

  /** The next profile. */
  next(native: NativeProfile): Profile {
    const { runtimeId, pid: processId } = this.#identity;
    this.#state.lastFlushNanos = native.endTimeNanos;
    for (const problem of native.sourceMapProblems) publishSourceMap(problem);
    return new Profile(native, { processId, runtimeId, sequence: this.#state.sequence++ });
  }

  /**
   * A period that could not be serialized. It has no number, since nobody has it.
   *
   * @param nanos when it ended, since the epoch
   */
  lose(nanos: bigint): { startTimeNanos: bigint; endTimeNanos: bigint } {
    // The clock may have been set back.
    const lost = { startTimeNanos: this.#state.lastFlushNanos < nanos ? this.#state.lastFlushNanos : nanos, endTimeNanos: nanos };
    this.#state.lastFlushNanos = nanos;
    return lost;
  }

  hooksOff(): void {
    // It has none.
  }

  resetAfterFork({ reading }: Reset): void {
    this.#state = fresh(reading.realtimeNanos);
  }
}
