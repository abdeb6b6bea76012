/**
 * The kernel's view of this process, for code that may run in a child of fork(2) before it was reset, and without the native half.
 */
import { readlinkSync } from 'node:fs';

/** The kernel's answer; `process.pid` is the parent's in a child. Without /proc, `process.pid`. */
export function realPid(): number {
  try {
    return Number(readlinkSync('/proc/self'));
  } catch {
    return process.pid;
  }
}
