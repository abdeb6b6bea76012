// The CPU clock of the thread that asks.
import native from '#native';

/** CPU time of this thread, in milliseconds. Reading it is all that the native half does in a process where pronghorn is not started. */
export const threadCpuMs = () => Number(native.readClock().cpuNanos) / 1e6;
