/**
 * What a page shows, from one profile or from two that are compared, and how it is written into the page: gzip of a header in JSON and of columns of
 * integers. page/document.ts reads it.
 */
import { gzipSync } from 'node:zlib';
import { PronghornError } from '../errors.js';
import type { Pprof, Sample, SampleType } from '../pprof/reader.js';
import { type Grouping, groupName, groupOf, groupRole, nameOfGrouping } from '../pprof/sample-groups.js';
import { type Value, valueIndex } from '../command/top.js';
import { CATEGORIES } from './category.js';
import { ColumnWriter } from './column-writer.js';
import type { DocumentHeader } from './document-header.js';
import { FunctionTable, shown } from './function-table.js';
import { MAX_DEPTH, StackTree } from './stack-tree.js';

/** What to make a page of. */
export interface PictureRequest {
  /** Shown as its title: the file, or how many there are. */
  title: string;
  /** The sample type that is shown first, or undefined for the profile's own default. */
  value: Value | undefined;
  /** A first level of frames: one for each process or thread. */
  by: Grouping | undefined;
}

/** What the profile is compared with. */
export interface Base {
  title: string;
  profile: Pprof;
}

/**
 * @returns gzipped bytes
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if the profile has no such value or is too large for a page;
 *   ERR_PRONGHORN_INCOMPATIBLE_PROFILES if the two measure other things
 */
export function encodeDocument(profile: Pprof, request: PictureRequest, base?: Base): Buffer {
  const shownValue = valueIndex(profile, request.value);
  const { sampleTypes } = profile;
  const functions = new FunctionTable();
  const tree = new StackTree(sampleTypes.length * (base === undefined ? 1 : 2));
  const plant = new Planter(tree, functions, request.by, base !== undefined);
  plant.add(profile, sampleTypes.map((_, index) => index), 0);
  if (base !== undefined) plant.add(base.profile, matchingTypes(profile, base), sampleTypes.length);

  const header: DocumentHeader = {
    title: shown(request.title),
    comments: profile.comments.map(shown),
    timeNanos: profile.timeNanos,
    durationNanos: profile.durationNanos,
    samples: samplesTaken(profile),
    stacks: profile.sampleCount,
    values: sampleTypes.map(({ type, unit }) => ({ type: shown(type), unit: shown(unit) })),
    shownValue,
    by: nameOfGrouping(request.by),
    base:
      base === undefined
        ? undefined
        : { title: shown(base.title), samples: samplesTaken(base.profile), timeNanos: base.profile.timeNanos, durationNanos: base.profile.durationNanos },
    categories: CATEGORIES,
    functionCount: functions.functions.length,
    nodeCount: tree.count,
    strings: [],
  };
  return write(header, functions, tree);
}

/** Puts samples into the tree. */
class Planter {
  readonly #tree: StackTree;
  readonly #functions: FunctionTable;
  readonly #by: Grouping | undefined;
  readonly #compares: boolean;

  constructor(tree: StackTree, functions: FunctionTable, by: Grouping | undefined, compares: boolean) {
    this.#tree = tree;
    this.#functions = functions;
    this.#by = by;
    this.#compares = compares;
  }

  /**
   * @param indexes which of the sample's values go into the columns
   * @param column the first of them
   */
  add(profile: Pprof, indexes: readonly number[], column: number): void {
    const lookUp = this.#functions.locations(profile);
    for (const { locationIds, values, labels } of profile.samples()) {
      let node = this.#by === undefined ? 0 : this.#tree.child(0, this.#group(labels, this.#by));
      let depth = 0;
      let leaf = -1;
      for (let at = locationIds.length - 1; at >= 0; at--) {
        const numbers = lookUp(locationIds[at]!);
        for (let each = numbers.length - 1; each >= 0; each--) {
          leaf = numbers[each]!;
          if (++depth <= MAX_DEPTH) node = this.#tree.child(node, leaf);
        }
      }
      if (depth > MAX_DEPTH) node = this.#tree.child(this.#tree.child(node, this.#functions.insert('(truncated)', '', 0, 'other')), leaf);
      for (const [position, index] of indexes.entries()) this.#tree.columns[column + position]![node]! += values[index] ?? 0;
    }
  }

  #group(labels: Sample['labels'], by: Grouping): number {
    const group = groupOf(labels, by).labels;
    const name = nameOfGrouping(by);
    return this.#functions.insert(this.#compares ? groupRole(group, name) : groupName(group, name), '', 0, 'group');
  }
}

/** Where the base has each of the profile's values. */
function matchingTypes(profile: Pprof, base: Base): number[] {
  const describe = ({ type, unit }: SampleType): string => `${type} in ${unit}`;
  const has = base.profile.sampleTypes.map(describe);
  return profile.sampleTypes.map((type) => {
    const index = has.indexOf(describe(type));
    if (index !== -1) return index;
    const message = `the profiles cannot be compared: ${base.title} has no value ${describe(type)}; it has ${has.join(', ')}`;
    throw new PronghornError('ERR_PRONGHORN_INCOMPATIBLE_PROFILES', message);
  });
}

function samplesTaken(profile: Pprof): number | undefined {
  const index = profile.sampleTypes.findIndex((each) => each.type === 'samples');
  if (index === -1) return undefined;
  let sum = 0;
  for (const { values } of profile.samples()) sum += values[index] ?? 0;
  return sum;
}

function write(header: DocumentHeader, { functions }: FunctionTable, tree: StackTree): Buffer {
  const strings = new Map<string, number>();
  const text = (value: string): number => {
    let index = strings.get(value);
    if (index === undefined) strings.set(value, (index = strings.size));
    return index;
  };
  const columns = new ColumnWriter();
  for (const { name } of functions) columns.unsigned(text(name));
  for (const { file } of functions) columns.unsigned(text(file));
  for (const { line } of functions) columns.unsigned(Math.max(0, line));
  for (const { category } of functions) columns.unsigned(CATEGORIES.indexOf(category));
  const { order, depth } = tree.preorder();
  for (let at = 1; at < order.length; at++) columns.signed(depth[at]! - depth[at - 1]!);
  for (let at = 1; at < order.length; at++) columns.unsigned(tree.fn[order[at]!]!);
  for (const column of tree.columns) for (const node of order) columns.signed(column[node]!);

  const json = Buffer.from(JSON.stringify({ ...header, strings: [...strings.keys()] }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return gzipSync(Buffer.concat([length, json, columns.bytes]), { level: 6 });
}
