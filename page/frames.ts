/**
 * The two trees that a page can show: who calls whom from the program's start (callees), and from each function back to who called it (callers).
 * Both make their nodes when they are asked for, since few of a large profile's are ever wide enough to be seen.
 */
import type { ProfileDocument } from './document.js';
import type { Measure } from './measure.js';

/** One frame of a tree. */
export interface Frame {
  /** The same for the same frame at any time. */
  readonly key: string;
  /** -1 for the root. */
  readonly fn: number;
  readonly parent: Frame | undefined;
  children(): readonly Frame[];
  self(measure: Measure): number;
  total(measure: Measure): number;
}

/** A path of calls, as the document has it. */
class CalleeFrame implements Frame {
  readonly key: string;
  readonly fn: number;
  readonly parent: Frame | undefined;
  readonly #doc: ProfileDocument;
  readonly #node: number;
  #children: Frame[] | undefined;

  constructor(doc: ProfileDocument, node: number, parent: Frame | undefined) {
    this.#doc = doc;
    this.#node = node;
    this.key = `frame-${node}`;
    this.fn = doc.fn[node]!;
    this.parent = parent;
  }

  children(): readonly Frame[] {
    if (this.#children === undefined) {
      const { end } = this.#doc;
      this.#children = [];
      for (let node = this.#node + 1; node < end[this.#node]!; node = end[node]!) this.#children.push(new CalleeFrame(this.#doc, node, this));
    }
    return this.#children;
  }

  self(measure: Measure): number {
    return measure.self[this.#node]!;
  }

  total(measure: Measure): number {
    return measure.total[this.#node]!;
  }
}

/**
 * A function, below it its callers, and so on. It stands for the samples that end in `origins`; `cursors` are the nodes that those stacks have reached
 * on their way up.
 */
class CallerFrame implements Frame {
  readonly key: string;
  readonly fn: number;
  readonly parent: Frame | undefined;
  readonly #doc: ProfileDocument;
  readonly #origins: readonly number[];
  readonly #cursors: readonly number[];
  readonly #totals = new WeakMap<Measure, number>();
  #children: Frame[] | undefined;

  constructor(doc: ProfileDocument, place: { fn: number; parent: CallerFrame | undefined }, origins: readonly number[], cursors: readonly number[]) {
    this.#doc = doc;
    this.fn = place.fn;
    this.parent = place.parent;
    this.key = place.parent === undefined ? 'caller' : `${place.parent.key}-${place.fn}`;
    this.#origins = origins;
    this.#cursors = cursors;
  }

  children(): readonly Frame[] {
    if (this.#children !== undefined) return this.#children;
    const { fn, parent, category, categories } = this.#doc;
    const groups = new Map<number, { origins: number[]; cursors: number[] }>();
    for (const [index, cursor] of this.#cursors.entries()) {
      const next = this.parent === undefined ? cursor : parent[cursor]!;
      if (next <= 0) continue;
      const of = fn[next]!;
      // A process is nobody's caller.
      if (categories[category[of]!] === 'group') continue;
      let group = groups.get(of);
      if (group === undefined) groups.set(of, (group = { origins: [], cursors: [] }));
      group.origins.push(this.#origins[index]!);
      group.cursors.push(next);
    }
    this.#children = Array.from(groups, ([of, { origins, cursors }]) => new CallerFrame(this.#doc, { fn: of, parent: this }, origins, cursors));
    return this.#children;
  }

  /** Only the function itself has something of its own; its callers are there because of it. */
  self(measure: Measure): number {
    return this.parent !== undefined && this.parent.parent === undefined ? this.total(measure) : 0;
  }

  total(measure: Measure): number {
    let total = this.#totals.get(measure);
    if (total === undefined) {
      total = 0;
      for (const origin of this.#origins) total += measure.self[origin]!;
      this.#totals.set(measure, total);
    }
    return total;
  }
}

export function calleeTree(doc: ProfileDocument): Frame {
  return new CalleeFrame(doc, 0, undefined);
}

export function callerTree(doc: ProfileDocument): Frame {
  const ends: number[] = [];
  for (let node = 1; node < doc.nodeCount; node++) if (doc.columns.some((column) => column[node] !== 0)) ends.push(node);
  return new CallerFrame(doc, { fn: -1, parent: undefined }, ends, ends);
}
