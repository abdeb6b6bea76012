// What a process holds, by what the kernel and V8 say.
import { readdirSync, readFileSync } from 'node:fs';

/** V8's heap is made of pages of so many bytes, a mapping each, and grows and shrinks by a hundred of them at a time, profiled or not. */
const HEAP_PAGE = 262_144;

/**
 * Memory is told apart: what JavaScript objects take (`heapKb`), and what is written outside of V8's heap (`nativeKb`), where all of the native half is.
 * V8 keeps heap pages that it does not need at the moment, so the process's whole memory says less. `mappings` are those that are no pages of its heap.
 *
 * @returns {{ heapKb: number, nativeKb: number, privateKb: number, descriptors: number, threads: number, mappings: number }}
 */
export function held() {
  const { heapUsed, heapTotal } = process.memoryUsage();
  const privateKb = Number(/^Private_Dirty:\s+(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))[1]);
  return {
    heapKb: Math.round(heapUsed / 1024),
    nativeKb: Math.round(privateKb - heapTotal / 1024),
    privateKb,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').length - Math.floor(heapTotal / HEAP_PAGE),
  };
}
