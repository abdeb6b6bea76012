/**
 * Which functions a profile's values belong to: in themselves (self), and with all that they called (total).
 */
import { basename } from 'node:path';
import { PronghornError } from './errors.js';
import type { FunctionInfo, Location, Pprof } from './pprof-reader.js';

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

/** The answer of `pronghorn top`. */
export interface Top {
  /** Name and unit of the sample type that was summed. */
  value: string;
  unit: string;
  /** Sum over all samples. */
  sum: number;
  /** Samples taken, if the profile counts them. */
  samples: number | undefined;
  /** Different stacks, which is how many entries the profile has. */
  stackCount: number;
  timeNanos: number;
  durationNanos: number;
  comments: string[];
  /** How many functions there are; `rows` may hold fewer. */
  functionCount: number;
  rows: TopRow[];
}

/**
 * Sums up a profile per function.
 *
 * @param value the sample type, or undefined for the profile's own default
 * @param count most rows to give
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if the profile has no such value
 */
export function top(profile: Pprof, value: Value | undefined, sort: Sort, count: number): Top {
  const index = valueIndex(profile, value);
  const rowsOf = rowTable(profile);
  const all = new Set<TopRow>();
  const samplesIndex = profile.sampleTypes.findIndex((each) => each.type === 'samples');
  let sum = 0;
  let samples = 0;
  for (const sample of profile.samples()) {
    const amount = sample.values[index] ?? 0;
    sum += amount;
    samples += sample.values[samplesIndex] ?? 0;
    let leaf = true;
    const counted = new Set<TopRow>();
    for (const id of sample.locationIds) {
      for (const row of rowsOf(id)) {
        if (leaf) row.self += amount;
        leaf = false;
        if (counted.has(row)) continue;
        counted.add(row);
        all.add(row);
        row.total += amount;
      }
    }
  }
  const other = sort === 'self' ? 'total' : 'self';
  const rows = [...all].sort((a, b) => b[sort] - a[sort] || b[other] - a[other] || (a.name < b.name ? -1 : 1));
  return {
    value: profile.sampleTypes[index]?.type ?? '',
    unit: profile.sampleTypes[index]?.unit ?? '',
    sum,
    samples: samplesIndex === -1 ? undefined : samples,
    stackCount: profile.sampleCount,
    timeNanos: profile.timeNanos,
    durationNanos: profile.durationNanos,
    comments: profile.comments,
    functionCount: rows.length,
    rows: rows.slice(0, count),
  };
}

/** Without a value asked for: the profile's default, and where it names none the last, as pprof's own tools do. */
function valueIndex(profile: Pprof, value: Value | undefined): number {
  const types = profile.sampleTypes.map((each) => each.type);
  if (value === undefined) {
    const index = types.indexOf(profile.defaultSampleType);
    return index === -1 ? types.length - 1 : index;
  }
  const index = types.indexOf(value);
  if (index !== -1) return index;
  throw new PronghornError('ERR_PRONGHORN_INVALID_PROFILE', `the profile has no value ${value}; it has ${types.join(', ')}`);
}

/** Finds the rows of a location, leaf first. Functions that agree in name, file and first line are one. */
function rowTable(profile: Pprof): (id: number | bigint) => TopRow[] {
  const byKey = new Map<string, TopRow>();
  const byLocation = new Map<number | bigint, TopRow[]>();
  const rowFor = (info: FunctionInfo): TopRow => {
    const key = `${info.name}\0${info.file}\0${info.startLine}`;
    let row = byKey.get(key);
    if (row === undefined) {
      row = { name: info.name, file: info.file, line: info.startLine, self: 0, total: 0 };
      byKey.set(key, row);
    }
    return row;
  };
  return (id) => {
    let rows = byLocation.get(id);
    if (rows === undefined) {
      const location = profile.locations.get(id);
      rows = location === undefined ? [] : functionsOf(profile, location).map(rowFor);
      byLocation.set(id, rows);
    }
    return rows;
  };
}

function functionsOf(profile: Pprof, location: Location): FunctionInfo[] {
  const named = location.lines.map((line) => profile.functions.get(line.functionId)).filter((info) => info !== undefined);
  if (named.length > 0) return named;
  const file = profile.mappings.get(location.mappingId) ?? '';
  const where = file === '' ? '' : `${basename(file)}+`;
  return [{ name: `(${where}0x${location.address.toString(16)})`, file, startLine: 0 }];
}
