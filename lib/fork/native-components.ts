/**
 * A native half's part in the reset after a fork. What each step covers is said where it is done: crates/pronghorn-node/src/fork.rs.
 */
import type { ForkComponent } from './component.js';
import type { ClockReading, NativeApi } from '../native-api.js';

/** Collector, recorder and binding. None keeps anything here; the native half checks that their steps come in this order. */
export function nativeComponents(native: NativeApi): ForkComponent[] {
  const noneHere = (): void => undefined;
  return [
    // One call takes the hooks of all three off: signals, pending interrupts, GC and event loop callbacks, termination handlers.
    { name: 'collector', hooksOff: () => native.hooksOff(), resetAfterFork: () => native.resetCollector() },
    { name: 'recorder', hooksOff: noneHere, resetAfterFork: ({ reading }) => native.resetRecorder(reading) },
    { name: 'binding', hooksOff: noneHere, resetAfterFork: () => native.resetBinding() },
  ];
}

/**
 * All steps at once, for a native half that was loaded before a fork, by a worker thread for example, and is first used on this thread when the process
 * has been reset without it. It has never been started on this thread.
 *
 * @throws whatever a step throws; it stays inert then, and all of it can be done again
 */
export function resetAlone(native: NativeApi, reading: ClockReading): void {
  native.hooksOff();
  native.resetCollector();
  native.resetRecorder(reading);
  native.resetBinding();
  native.acknowledgeFork();
}
