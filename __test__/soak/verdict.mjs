// Whether a soak has leaked: what was held at the end against what was held when it had warmed up.

/**
 * What may be held more at the end than after the warm-up. glibc's arenas breathe, and so does what V8 has outside of its heap: by as much in the same program without
 * the profiler. A leak of one descriptor or thread per rotation goes beyond these
 * within a short soak, and so do two mappings; one within an hour.
 */
export const BOUNDS = { heapKb: 4096, nativeKb: 8192, descriptors: 2, threads: 1, mappings: 48 };

const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * @param {object[]} rounds what `held()` gave after each
 * @returns {{ before: object, after: object, grown: Record<string, number>, leaked: string[] }} medians of a sixth of the rounds: those behind the first half of
 *   them, in which caches fill and code is compiled, and the last
 */
export function judge(rounds) {
  const count = Math.max(3, Math.floor(rounds.length / 6));
  const half = Math.floor(rounds.length / 2);
  const of = (part) => Object.fromEntries(Object.keys(BOUNDS).map((key) => [key, middle(part.map((round) => round[key]))]));
  const before = of(rounds.slice(half, half + count));
  const after = of(rounds.slice(-count));
  const grown = Object.fromEntries(Object.keys(BOUNDS).map((key) => [key, after[key] - before[key]]));
  return { before, after, grown, leaked: Object.keys(BOUNDS).filter((key) => grown[key] > BOUNDS[key]) };
}
