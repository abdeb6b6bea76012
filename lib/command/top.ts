/**
 * Which functions a profile's values belong to: in themselves (self), and with all that they called (total).
 */
import { PronghornError } from '../errors.js';
import { functionsOf } from '../pprof/functions.js';
import type { FunctionInfo as Callee, Pprof } from '../pprof/reader.js';
import { type GroupLabels, type Grouping, groupOf, nameOfGrouping } from '../pprof/sample-groups.js';

/** The values that our profiles have. */
export const VALUES = ['cpu', 'wall', 'samples'] as const;
export type Value = (typeof VALUES)[number];

/** What the rows are ordered by. */
export const SORTS = ['self', 'total'] as const;
export type Sort = (typeof SORTS)[number];

/** One function. */
export interface TopRow {
  name: string;
  /** Script or binary, as the profile names it; empty for markers such as `(idle)`. */
  file: string;
  /** The line where the function begins; 0 if it is not known. */
  line: number;
  /** In the unit of the value. */
  self: number;
  /** Counted once per stack, however often the function stands in it. */
  total: number;
}

/** Sums over some of a profile's samples. */
export interface Totals {
  /** Sum of the value. */
  sum: number;
  /** Samples taken, if the profile counts them. */
  samples: number | undefined;
  /** Different stacks, which is how many entries the profile has. */
  stackCount: number;
  /** How many functions there are; `rows` may hold fewer. */
  functionCount: number;
  rows: TopRow[];
}

/** The samples of one process, thread or value of a label. */
export interface Group extends Totals {
  labels: GroupLabels;
}

/** The answer of `pronghorn top`. */
export interface Top extends Totals {
  /** Name and unit of the sample type that was summed. */
  value: string;
  unit: string;
  timeNanos: number;
  durationNanos: number;
  comments: string[];
  /** What the groups are, if they were asked for: `process`, `thread` or the name of a label. */
  by?: string;
  /** The one with the largest sum first. */
  groups?: Group[];
}

/** What to sum up, and how to show it. */
export interface TopRequest {
  /** The sample type, or undefined for the profile's own default. */
  value: Value | undefined;
  sort: Sort;
  /** Most rows to give, and as many again for each group. */
  count: number;
  /** Also sum up each process, thread or value of a label by itself. */
  by?: Grouping | undefined;
}

/**
 * Sums up a profile per function.
 *
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if the profile has no such value
 */
export function top(profile: Pprof, { value, sort, count, by }: TopRequest): Top {
  const index = valueIndex(profile, value);
  const samplesIndex = profile.sampleTypes.findIndex((each) => each.type === 'samples');
  const lookUp = functionTable(profile);
  const all = new Tally();
  const groups = new Map<string, { labels: GroupLabels; tally: Tally }>();
  for (const sample of profile.samples()) {
    const amount = sample.values[index] ?? 0;
    const samples = samplesIndex === -1 ? undefined : sample.values[samplesIndex];
    const functions = sample.locationIds.flatMap(lookUp);
    all.add(functions, amount, samples);
    if (by === undefined) continue;
    const { key, labels } = groupOf(sample.labels, by);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { labels, tally: new Tally() }));
    group.tally.add(functions, amount, samples);
  }
  const result: Top = {
    value: profile.sampleTypes[index]?.type ?? '',
    unit: profile.sampleTypes[index]?.unit ?? '',
    timeNanos: profile.timeNanos,
    durationNanos: profile.durationNanos,
    comments: profile.comments,
    ...all.totals(sort, count),
  };
  if (by === undefined) return result;
  const each = Array.from(groups.values(), ({ labels, tally }): Group => Object.assign(tally.totals(sort, count), { labels }));
  return { ...result, by: nameOfGrouping(by), groups: each.sort((a, b) => b.sum - a.sum || (b.samples ?? 0) - (a.samples ?? 0)) };
}

/** Adds up samples per function. */
class Tally {
  readonly #rows = new Map<Callee, TopRow>();
  #sum = 0;
  #samples: number | undefined;
  #stackCount = 0;

  /** @param functions of a stack, leaf first */
  add(functions: readonly Callee[], amount: number, samples: number | undefined): void {
    this.#stackCount += 1;
    this.#sum += amount;
    if (samples !== undefined) this.#samples = (this.#samples ?? 0) + samples;
    const counted = new Set<Callee>();
    for (const each of functions) {
      if (counted.has(each)) continue;
      const row = this.#row(each);
      if (counted.size === 0) row.self += amount;
      counted.add(each);
      row.total += amount;
    }
  }

  totals(sort: Sort, count: number): Totals {
    const other = sort === 'self' ? 'total' : 'self';
    const rows = [...this.#rows.values()].sort((a, b) => b[sort] - a[sort] || b[other] - a[other] || (a.name < b.name ? -1 : 1));
    return {
      sum: this.#sum,
      samples: this.#samples,
      stackCount: this.#stackCount,
      functionCount: rows.length,
      rows: rows.slice(0, count),
    };
  }

  #row(of: Callee): TopRow {
    let row = this.#rows.get(of);
    if (row === undefined) this.#rows.set(of, (row = { name: of.name, file: of.file, line: of.startLine, self: 0, total: 0 }));
    return row;
  }
}

/**
 * Which of a profile's values is meant. Without one asked for: the profile's default, and where it names none the last, as pprof's own tools do.
 *
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if the profile has no such value
 */
export function valueIndex(profile: Pprof, value: Value | undefined): number {
  const types = profile.sampleTypes.map((each) => each.type);
  if (value === undefined) {
    const index = types.indexOf(profile.defaultSampleType);
    return index === -1 ? types.length - 1 : index;
  }
  const index = types.indexOf(value);
  if (index !== -1) return index;
  throw new PronghornError('ERR_PRONGHORN_INVALID_PROFILE', `the profile has no value ${value}; it has ${types.join(', ')}`);
}

/** Finds the functions of a location, leaf first. Functions that agree in name, file and first line are one object. */
function functionTable(profile: Pprof): (id: number | bigint) => readonly Callee[] {
  const byKey = new Map<string, Callee>();
  const byLocation = new Map<number | bigint, readonly Callee[]>();
  const unique = (info: Callee): Callee => {
    const key = `${info.name}\0${info.file}\0${info.startLine}`;
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, info);
    return same ?? info;
  };
  return (id) => {
    let functions = byLocation.get(id);
    if (functions === undefined) {
      const location = profile.locations.get(id);
      functions = location === undefined ? [] : functionsOf(profile, location).map(unique);
      byLocation.set(id, functions);
    }
    return functions;
  };
}
