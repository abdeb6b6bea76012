/**
 * The native half's part in the reset after a fork. What each step covers is said where it is done: crates/pronghorn-node/src/fork.rs.
 */
import type { ForkComponent } from './fork-component.js';
import type { NativeApi } from './native-api.js';

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
