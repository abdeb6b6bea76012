/**
 * Reads a pprof file, ours or another profiler's, from untrusted bytes.
 *
 * Samples, by far the most of a profile, are not kept as objects: their byte ranges are, and `samples()` decodes them one after the
 * other. Field numbers are those of github.com/google/pprof/proto/profile.proto.
 */
import { isGzip, plainBytes, profileBytes, unreadable } from './bytes.js';
import { MessageReader, toSigned, WireError } from './protobuf.js';

/** Most samples, locations, lines, functions, mappings and strings together: a few bytes of a hostile file may each become an object. */
export const MAX_ENTRIES = 5_000_000;

/** An id inside a profile; some writers use hashes beyond 2^53. */
export type Id = number | bigint;

export interface SampleType {
  type: string;
  unit: string;
}

/** One function at one place of a location; an inlined function stands before the one that it was inlined into. */
export interface Line {
  functionId: Id;
  line: number;
}

export interface Location {
  mappingId: Id;
  address: Id;
  lines: Line[];
}

export interface FunctionInfo {
  name: string;
  file: string;
  startLine: number;
}

export interface Sample {
  /** Leaf first. */
  locationIds: Id[];
  /** One per sample type. */
  values: number[];
  /** Texts and numbers by their keys. */
  labels: Map<string, string | number>;
}

/** A decoded profile. Every id and index in it has been checked. */
export interface Pprof {
  sampleTypes: SampleType[];
  /** The type that tools should show, or an empty text. */
  defaultSampleType: string;
  locations: Map<Id, Location>;
  functions: Map<Id, FunctionInfo>;
  /** File name of each mapping. */
  mappings: Map<Id, string>;
  comments: string[];
  /** Nanoseconds since the epoch; 0 if the profile does not say. */
  timeNanos: number;
  durationNanos: number;
  sampleCount: number;
  samples(): Generator<Sample, void, undefined>;
}

/**
 * Reads a profile from a file.
 *
 * @param use gets the profile; whatever it finds wrong while it decodes samples is reported like the rest
 * @returns what `use` returned
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE saying what is wrong with the file
 */
export function useProfileFile<T>(path: string, use: (profile: Pprof) => T): T {
  try {
    return use(readProfile(profileBytes(path)));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * Reads a profile from bytes, gzipped or not.
 *
 * @throws WireError saying what is wrong with the bytes
 */
export function readProfile(bytes: Uint8Array): Pprof {
  if (bytes.length === 0) throw new WireError('it is empty');
  if (isGzip(bytes)) return decode(plainBytes(bytes));
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    // Most likely it is something else altogether.
    throw new WireError(`it is not gzipped, and not a plain pprof message either (${error.message})`);
  }
}

/** Strings may come last in a file, so the first pass keeps indexes and the second one puts the texts in. */
function decode(bytes: Uint8Array): Pprof {
  const sampleRanges: number[] = [];
  const strings: string[] = [];
  const typeIndexes: [number, number][] = [];
  const functionIndexes = new Map<Id, { name: number; file: number; startLine: number }>();
  const mappingIndexes = new Map<Id, number>();
  const locations = new Map<Id, Location>();
  const commentIndexes: Id[] = [];
  let defaultIndex = 0;
  let timeNanos = 0;
  let durationNanos = 0;

  const reader = new MessageReader(bytes);
  let entries = 0;
  const count = (): void => {
    if (++entries > MAX_ENTRIES) throw new WireError(`it has more than ${MAX_ENTRIES} entries`);
  };
  while (reader.next()) {
    count();
    switch (reader.field) {
      case 1:
        typeIndexes.push(decodeValueType(reader.message()));
        break;
      case 2:
        sampleRanges.push(...reader.range());
        break;
      case 3: {
        const { id, file } = decodeMapping(reader.message());
        mappingIndexes.set(id, file);
        break;
      }
      case 4: {
        const { id, ...location } = decodeLocation(reader.message(), count);
        locations.set(id, location);
        break;
      }
      case 5: {
        const { id, ...info } = decodeFunction(reader.message());
        functionIndexes.set(id, info);
        break;
      }
      case 6:
        strings.push(reader.string());
        break;
      case 9:
        timeNanos = reader.signed();
        break;
      case 10:
        durationNanos = reader.signed();
        break;
      case 13:
        reader.repeated(commentIndexes);
        break;
      case 14:
        defaultIndex = reader.index();
        break;
      default:
        reader.skip();
    }
  }
  if (typeIndexes.length === 0 || strings.length === 0) throw new WireError('it holds no sample types: it is no pprof profile');

  const text = (index: Id): string => {
    const value = strings[Number(index)];
    if (value === undefined) throw new WireError(`string ${index} of ${strings.length} is missing`);
    return value;
  };
  const functions = new Map<Id, FunctionInfo>();
  for (const [id, info] of functionIndexes) {
    functions.set(id, { name: text(info.name), file: text(info.file), startLine: info.startLine });
  }
  for (const [id, location] of locations) {
    for (const line of location.lines) {
      if (!functions.has(line.functionId)) throw new WireError(`location ${id} names the missing function ${line.functionId}`);
    }
  }
  const sampleTypes = typeIndexes.map(([type, unit]) => ({ type: text(type), unit: text(unit) }));
  return {
    sampleTypes,
    defaultSampleType: text(defaultIndex),
    locations,
    functions,
    mappings: new Map([...mappingIndexes].map(([id, file]) => [id, text(file)])),
    comments: commentIndexes.map(text),
    timeNanos,
    durationNanos,
    sampleCount: sampleRanges.length / 2,
    samples: () => decodeSamples(bytes, sampleRanges, { locations, valueCount: sampleTypes.length, text }),
  };
}

function* decodeSamples(
  bytes: Uint8Array,
  ranges: readonly number[],
  { locations, valueCount, text }: { locations: ReadonlyMap<Id, Location>; valueCount: number; text(index: Id): string },
): Generator<Sample, void, undefined> {
  for (let at = 0; at < ranges.length; at += 2) {
    const locationIds: Id[] = [];
    const values: Id[] = [];
    const labels: Sample['labels'] = new Map();
    const reader = new MessageReader(bytes, ranges[at], ranges[at + 1]);
    while (reader.next()) {
      if (reader.field === 1) reader.repeated(locationIds);
      else if (reader.field === 2) reader.repeated(values);
      else if (reader.field === 3) {
        const { key, str, num } = decodeLabel(reader.message());
        labels.set(text(key), str === 0 ? num : text(str));
      } else reader.skip();
    }
    const missing = locationIds.find((id) => !locations.has(id));
    if (missing !== undefined) throw new WireError(`a sample names the missing location ${missing}`);
    if (values.length !== valueCount) throw new WireError(`a sample has ${values.length} values for ${valueCount} sample types`);
    yield { locationIds, values: values.map(toSigned), labels };
  }
}

function decodeLabel(reader: MessageReader): { key: number; str: number; num: number } {
  const label = { key: 0, str: 0, num: 0 };
  while (reader.next()) {
    if (reader.field === 1) label.key = reader.index();
    else if (reader.field === 2) label.str = reader.index();
    else if (reader.field === 3) label.num = reader.signed();
    else reader.skip();
  }
  return label;
}

function decodeValueType(reader: MessageReader): [type: number, unit: number] {
  let type = 0;
  let unit = 0;
  while (reader.next()) {
    if (reader.field === 1) type = reader.index();
    else if (reader.field === 2) unit = reader.index();
    else reader.skip();
  }
  return [type, unit];
}

function decodeMapping(reader: MessageReader): { id: Id; file: number } {
  let id: Id = 0;
  let file = 0;
  while (reader.next()) {
    if (reader.field === 1) id = reader.unsigned();
    else if (reader.field === 5) file = reader.index();
    else reader.skip();
  }
  return { id, file };
}

function decodeLocation(reader: MessageReader, count: () => void): { id: Id } & Location {
  const location: { id: Id } & Location = { id: 0, mappingId: 0, address: 0, lines: [] };
  while (reader.next()) {
    if (reader.field === 1) location.id = reader.unsigned();
    else if (reader.field === 2) location.mappingId = reader.unsigned();
    else if (reader.field === 3) location.address = reader.unsigned();
    else if (reader.field === 4) {
      count();
      location.lines.push(decodeLine(reader.message()));
    } else reader.skip();
  }
  return location;
}

function decodeLine(reader: MessageReader): Line {
  const line: Line = { functionId: 0, line: 0 };
  while (reader.next()) {
    if (reader.field === 1) line.functionId = reader.unsigned();
    else if (reader.field === 2) line.line = reader.signed();
    else reader.skip();
  }
  return line;
}

function decodeFunction(reader: MessageReader): { id: Id; name: number; file: number; startLine: number } {
  const info = { id: 0 as Id, name: 0, file: 0, startLine: 0 };
  while (reader.next()) {
    if (reader.field === 1) info.id = reader.unsigned();
    else if (reader.field === 2) info.name = reader.index();
    else if (reader.field === 4) info.file = reader.index();
    else if (reader.field === 5) info.startLine = reader.signed();
    else reader.skip();
  }
  return info;
}
