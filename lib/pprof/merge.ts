/**
 * Makes one pprof profile of many: sums of values are kept exactly, and what the profiles have in common stands in the result once.
 *
 * The profiles come from untrusted bytes, ours or another profiler's. One is read at a time, and of those that have been read only the tables of
 * the merged profile are kept. Field numbers are those of github.com/google/pprof/proto/profile.proto.
 */
import { promisify } from 'node:util';
import { PronghornError } from '../errors.js';
import { FunctionTable, type Integer, type Location, LocationTable, type Mapping, MappingTable, SampleTable, StringTable } from './merge-tables.js';
import { type Header, ProfileFields, type ValueType } from './fields.js';
import { unreadable } from './bytes.js';
import { smallest, toSignedExact, WireError } from './protobuf.js';
import { MessageWriter } from './protobuf-writer.js';

/** One input. */
export interface Part {
  /** How an error calls it: a path, or the process that it came from. */
  name: string;
  /** pprof, gzipped or not. */
  data: Uint8Array;
}


/**
 * Merges profiles.
 *
 * Compressing happens in the thread pool, and between two parts the event loop gets its turn, since this also runs in servers.
 *
 * @param parts at least one; sample types and period type must be the same in all of them
 * @returns gzipped pprof
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE if a part cannot be read; ERR_PRONGHORN_INCOMPATIBLE_PROFILES if it measures other things
 */
export async function mergeProfiles(parts: Iterable<Part>): Promise<Buffer> {
  const merger = new Merger();
  for (const part of parts) {
    merger.add(part);
    await new Promise(setImmediate);
  }
  // Loaded here: an import of it would cost every program 1 MB (Node 26), and few merge.
  const { gzip } = process.getBuiltinModule('node:zlib');
  return promisify(gzip)(merger.finish());
}

/** Says of profiles, one after the other, which of them can be merged: those that can be read and measure what the first of them does. */
export class MergeCheck {
  readonly #strings = new StringTable();
  #first: NamedHeader | undefined;

  /** @throws PronghornError as mergeProfiles(); the part is then left out, and others can be checked */
  check(part: Part): void {
    const merger = new Merger(this.#strings, this.#first);
    merger.add(part);
    this.#first = merger.first;
  }
}

type NamedHeader = Header & { name: string };

/** Takes profiles one after the other. */
export class Merger {
  readonly #strings: StringTable;
  readonly #mappings = new MappingTable();
  readonly #functions = new FunctionTable();
  readonly #locations = new LocationTable();
  readonly #samples = new SampleTable();
  readonly #comments = new Set<number>();
  #first: NamedHeader | undefined;
  #period: Integer = 0;
  #defaultType = 0;
  #docUrl = 0;
  #startNanos: bigint | undefined;
  #endNanos = 0n;
  #longestNanos = 0n;

  /** @param first what the profiles have to agree with, with its texts in `strings`; the first that is added if it is undefined */
  constructor(strings = new StringTable(), first?: NamedHeader) {
    this.#strings = strings;
    this.#first = first;
  }

  /** What the profiles have to agree with. */
  get first(): NamedHeader | undefined {
    return this.#first;
  }

  /**
   * Adds a profile. After an error the merger is of no more use.
   *
   * @throws PronghornError as above, naming the part
   */
  add(part: Part): void {
    try {
      this.#add(part);
    } catch (error) {
      throw unreadable(part.name, error);
    }
  }

  /** The merged profile, not compressed. */
  finish(): Buffer {
    if (this.#first === undefined) throw new PronghornError('ERR_PRONGHORN_INVALID_PROFILE', 'there is no profile to merge');
    const profile = new MessageWriter();
    for (const type of this.#first.sampleTypes) writeValueType(profile, 1, type);
    this.#samples.write(profile, 2);
    this.#mappings.write(profile, 3);
    this.#locations.write(profile, 4);
    this.#functions.write(profile, 5);
    this.#strings.write(profile, 6);
    profile.integer(7, this.#first.dropFrames);
    profile.integer(8, this.#first.keepFrames);
    const start = this.#startNanos ?? 0n;
    const span = this.#endNanos - start;
    profile.integer(9, start);
    profile.integer(10, span > this.#longestNanos ? span : this.#longestNanos);
    if (this.#first.periodType !== undefined) writeValueType(profile, 11, this.#first.periodType);
    profile.integer(12, this.#period);
    profile.packed(13, [...this.#comments]);
    profile.integer(14, this.#defaultType);
    profile.integer(15, this.#docUrl);
    return profile.bytes;
  }

  #add({ name, data }: Part): void {
    const fields = new ProfileFields(data, this.#strings);
    const header = { ...fields.header(), name };
    this.#agree(header);
    this.#period = BigInt(header.period) > BigInt(this.#period) ? header.period : this.#period;
    this.#defaultType ||= header.defaultType;
    this.#docUrl ||= header.docUrl;
    for (const comment of header.comments) this.#comments.add(comment);
    this.#addTime(BigInt(header.timeNanos), BigInt(header.durationNanos));

    const mappings = new Map<Integer, Mapping & { mergedId: number; shift: bigint }>();
    for (const [id, mapping] of fields.mappings()) {
      const { id: mergedId, shift } = this.#mappings.insert(mapping);
      mappings.set(id, { ...mapping, mergedId, shift });
    }
    const functions = new Map<Integer, number>();
    for (const [id, info] of fields.functions()) functions.set(id, this.#functions.insert(info));
    const locations = new Map<Integer, number>();
    for (const [id, location] of fields.locations()) {
      const lines = location.lines.map(([functionId, line, column]): Location['lines'][0] => {
        return [known(functions, functionId, 'a location names the missing function'), line, column];
      });
      const mapping = location.mappingId === 0 ? undefined : known(mappings, location.mappingId, 'a location names the missing mapping');
      const moves = mapping !== undefined && location.address >= mapping.start && location.address < mapping.limit;
      const address = moves ? smallest(BigInt(location.address) + mapping.shift) : location.address;
      locations.set(id, this.#locations.insert({ mappingId: mapping?.mergedId ?? 0, address, lines, folded: location.folded }));
    }
    for (const { locationIds, values, labels } of fields.samples()) {
      if (values.length !== header.sampleTypes.length) {
        throw new WireError(`a sample has ${values.length} values for ${header.sampleTypes.length} sample types`);
      }
      const ids = locationIds.map((id) => known(locations, id, 'a sample names the missing location'));
      this.#samples.insert(ids, values.map(toSignedExact), labels);
    }
  }

  /** Values can be added up only if they are values of the same things. */
  #agree(header: NamedHeader): void {
    this.#first ??= header;
    const first = this.#first;
    if (header.sampleTypes.join(';') !== first.sampleTypes.join(';')) {
      throw incompatible(header.name, 'sample types', header.describedTypes, first.name, first.describedTypes);
    }
    if (String(header.periodType ?? '0,0') !== String(first.periodType ?? '0,0')) {
      throw incompatible(header.name, 'period types', header.describedPeriod, first.name, first.describedPeriod);
    }
  }

  /** The merged profile begins with the earliest and ends with the last; one that does not say when it began has a length only. */
  #addTime(start: bigint, duration: bigint): void {
    if (duration > this.#longestNanos) this.#longestNanos = duration;
    if (start === 0n) return;
    if (this.#startNanos === undefined || start < this.#startNanos) this.#startNanos = start;
    if (start + duration > this.#endNanos) this.#endNanos = start + duration;
  }
}

/** @returns what the table has for an id */
function known<T>(table: ReadonlyMap<Integer, T>, id: Integer, missing: string): T {
  const entry = table.get(id);
  if (entry === undefined) throw new WireError(`${missing} ${id}`);
  return entry;
}

function incompatible(name: string, what: string, has: string, first: string, firstHas: string): PronghornError {
  const message = `${name} cannot be merged with ${first}: ${what} must be the same, and are ${has} here and ${firstHas} there`;
  return new PronghornError('ERR_PRONGHORN_INCOMPATIBLE_PROFILES', message);
}

function writeValueType(profile: MessageWriter, field: number, [type, unit]: ValueType): void {
  const message = new MessageWriter();
  message.integer(1, type);
  message.integer(2, unit);
  profile.message(field, message);
}
