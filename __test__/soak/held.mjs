// What a process holds, by what the kernel and V8 say.
import { readdirSync, readFileSync } from 'node:fs';

/** V8's heap is made of pages of so many bytes, at multiples of as many, and grows and shrinks by a hundred of them at a time, profiled or not. */
const HEAP_PAGE = 0x4_0000;

/** Lines of /proc/self/maps but for those that look like such a page. */
function mappings() {
  const isPage = (line) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *$/.exec(line) ?? [];
    return from !== undefined && parseInt(from, 16) % HEAP_PAGE === 0 && parseInt(to, 16) - parseInt(from, 16) <= HEAP_PAGE;
  };
  return readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => !isPage(line)).length;
}

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
    mappings: mappings(),
  };
}
