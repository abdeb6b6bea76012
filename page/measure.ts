/**
 * Sums over a document: per node and per function.
 */
import type { ProfileDocument } from './document.js';

/** A value that frames can be as wide as. */
export interface Measure {
  /** Of the samples that end in each node. */
  self: Float64Array;
  /** Of those that end in it or below it. */
  total: Float64Array;
  /** Of all samples. */
  whole: number;
}

/** Functions' values. */
export interface FunctionSums {
  self: Float64Array;
  /** Once per stack, however often the function stands in it. */
  total: Float64Array;
}

/** @param self of each node */
export function measureOf(doc: ProfileDocument, self: Float64Array): Measure {
  const total = self.slice();
  for (let node = doc.nodeCount - 1; node > 0; node--) total[doc.parent[node]!]! += total[node]!;
  return { self, total, whole: total[0] ?? 0 };
}

/** A column without the nodes in which a thread only waits for events. */
export function withoutIdle(doc: ProfileDocument, self: Float64Array): Float64Array {
  const idle = doc.categories.indexOf('idle');
  return self.map((value, node) => (node > 0 && doc.category[doc.fn[node]!] === idle ? 0 : value));
}

/** Whether threads that wait for events have any of a value. */
export function hasIdle(doc: ProfileDocument, value: number): boolean {
  const idle = doc.categories.indexOf('idle');
  const columns = [doc.columns[value]!, doc.columns[doc.values.length + value]];
  return columns.some((column) => column?.some((each, node) => each !== 0 && node > 0 && doc.category[doc.fn[node]!] === idle));
}

export function scaled(self: Float64Array, factor: number): Float64Array {
  return self.map((value) => value * factor);
}

export function added(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, node) => value + b[node]!);
}

export function sumsOf(doc: ProfileDocument, measure: Measure): FunctionSums {
  const { nodeCount, fn, end } = doc;
  const sums = { self: new Float64Array(doc.functionCount), total: new Float64Array(doc.functionCount) };
  const above = new Int32Array(doc.functionCount);
  const path: number[] = [];
  for (let node = 1; node < nodeCount; node++) {
    while (path.length > 0 && end[path.at(-1)!]! <= node) above[fn[path.pop()!]!]! -= 1;
    const of = fn[node]!;
    sums.self[of]! += measure.self[node]!;
    if (above[of] === 0) sums.total[of]! += measure.total[node]!;
    above[of]! += 1;
    path.push(node);
  }
  return sums;
}

/** The sum of the stacks in which one of some functions stands. */
export function sumOfMatches(doc: ProfileDocument, measure: Measure, matches: Uint8Array): number {
  let sum = 0;
  for (let node = 1; node < doc.nodeCount; ) {
    if (matches[doc.fn[node]!] === 1) {
      sum += measure.total[node]!;
      node = doc.end[node]!;
    } else node += 1;
  }
  return sum;
}

/** What each category has in itself. */
export function categorySums(doc: ProfileDocument, sums: FunctionSums): number[] {
  const result = doc.categories.map(() => 0);
  for (const [of, value] of sums.self.entries()) result[doc.category[of]!]! += value;
  return result;
}
