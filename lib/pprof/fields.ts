/**
 * Every field of a pprof message, as merging needs them: exact, and with each text as its number in the merged profile.
 *
 * The reader of `pronghorn top` (reader.ts) keeps what a table shows; this one keeps all there is. Strings may come last in a file, so a
 * first pass notes where everything stands, and the tables are decoded one after the other from there.
 */
import type { FunctionFields, Integer, LabelFields, Location, Mapping, StringTable } from './merge-tables.js';
import { MAX_ENTRIES } from './reader.js';
import { plainBytes } from './bytes.js';
import { MessageReader, WireError } from './protobuf.js';

/** type and unit. */
export type ValueType = [type: number, unit: number];

/** What a profile says of itself. Texts are numbers of the merged profile. */
export interface Header {
  sampleTypes: ValueType[];
  periodType: ValueType | undefined;
  period: Integer;
  timeNanos: Integer;
  durationNanos: Integer;
  comments: number[];
  defaultType: number;
  docUrl: number;
  dropFrames: number;
  keepFrames: number;
  /** The same for people. */
  describedTypes: string;
  describedPeriod: string;
}

/** One sample; location ids are the input's, labels have texts of the merged profile. */
export interface RawSample {
  locationIds: Integer[];
  values: Integer[];
  labels: LabelFields[];
}

/** One profile. Whatever is wrong with its bytes is a WireError, from the constructor or from a table. */
export class ProfileFields {
  readonly #bytes: Uint8Array;
  /** Start and end of each message, by field number. */
  readonly #ranges = new Map<number, number[]>();
  /** Single integers, by field number. The last one counts, as the format says. */
  readonly #integers = new Map<number, Integer>();
  readonly #comments: Integer[] = [];
  /** The number in the merged profile of each text, and the text. */
  readonly #texts: number[] = [];
  readonly #plainTexts: string[] = [];

  constructor(data: Uint8Array, strings: StringTable) {
    if (data.length === 0) throw new WireError('it is empty');
    this.#bytes = plainBytes(data);
    let entries = 0;
    const reader = new MessageReader(this.#bytes);
    while (reader.next()) {
      if (++entries > MAX_ENTRIES) throw new WireError(`it has more than ${MAX_ENTRIES} entries`);
      const { field } = reader;
      if (field <= 5 || field === 11) this.#note(field, reader.range());
      else if (field === 6) {
        const text = reader.byteString();
        this.#plainTexts.push(text);
        this.#texts.push(strings.insert(text));
      } else if (field === 13) reader.repeated(this.#comments);
      else if (field <= 15) this.#integers.set(field, reader.signedExact());
      else reader.skip();
    }
    if (!this.#ranges.has(1) || this.#plainTexts.length === 0) throw new WireError('it holds no sample types: it is no pprof profile');
    if (this.#plainTexts[0] !== '') throw new WireError('its first string is not empty');
  }

  header(): Header {
    const sampleTypes = this.#messages(1, decodeValueType);
    const periodTypes = this.#messages(11, decodeValueType);
    const periodType = periodTypes.at(-1);
    return {
      sampleTypes: sampleTypes.map((type) => this.#textsOf(type)),
      periodType: periodType === undefined ? undefined : this.#textsOf(periodType),
      period: this.#integer(12),
      timeNanos: this.#integer(9),
      durationNanos: this.#integer(10),
      comments: this.#comments.map((index) => this.#text(index)),
      defaultType: this.#text(this.#integer(14)),
      docUrl: this.#text(this.#integer(15)),
      dropFrames: this.#text(this.#integer(7)),
      keepFrames: this.#text(this.#integer(8)),
      describedTypes: sampleTypes.map((type) => this.#describe(type)).join(', '),
      describedPeriod: periodType === undefined ? 'none' : this.#describe(periodType),
    };
  }

  /** The mapped files by id. */
  mappings(): [id: Integer, mapping: Mapping][] {
    return this.#messages(3, (reader) => {
      const fields = integersOf(reader, 10);
      const mapping: Mapping = {
        start: fields[2]!,
        limit: fields[3]!,
        offset: fields[4]!,
        file: this.#text(fields[5]!),
        buildId: this.#text(fields[6]!),
        flags: [fields[7]!, fields[8]!, fields[9]!, fields[10]!],
      };
      return [fields[1]!, mapping];
    });
  }

  /** The functions by id. */
  functions(): [id: Integer, fields: FunctionFields][] {
    return this.#messages(5, (reader) => {
      const [, id, name, systemName, file, startLine] = integersOf(reader, 5);
      return [id!, [this.#text(name!), this.#text(systemName!), this.#text(file!), startLine!]];
    });
  }

  /** The places by id; mappings and functions are named by the input's ids. */
  locations(): [id: Integer, location: RawLocation][] {
    return this.#messages(4, (reader) => {
      let id: Integer = 0;
      const location: RawLocation = { mappingId: 0, address: 0, lines: [], folded: 0 };
      while (reader.next()) {
        if (reader.field === 1) id = reader.unsigned();
        else if (reader.field === 2) location.mappingId = reader.unsigned();
        else if (reader.field === 3) location.address = reader.unsigned();
        else if (reader.field === 4) {
          const [, functionId, line, column] = integersOf(reader.message(), 3);
          location.lines.push([functionId!, line!, column!]);
        } else if (reader.field === 5) location.folded = reader.unsigned();
        else reader.skip();
      }
      return [id, location];
    });
  }

  /** The samples, one after the other. */
  *samples(): Generator<RawSample, void, undefined> {
    for (const reader of this.#readers(2)) {
      const sample: RawSample = { locationIds: [], values: [], labels: [] };
      while (reader.next()) {
        if (reader.field === 1) reader.repeated(sample.locationIds);
        else if (reader.field === 2) reader.repeated(sample.values);
        else if (reader.field === 3) {
          const [, key, text, number, unit] = integersOf(reader.message(), 4);
          sample.labels.push([this.#text(key!), this.#text(text!), number!, this.#text(unit!)]);
        } else reader.skip();
      }
      yield sample;
    }
  }

  #note(field: number, range: readonly [number, number]): void {
    const ranges = this.#ranges.get(field);
    if (ranges === undefined) this.#ranges.set(field, [...range]);
    else ranges.push(...range);
  }

  *#readers(field: number): Generator<MessageReader, void, undefined> {
    const ranges = this.#ranges.get(field) ?? [];
    for (let at = 0; at < ranges.length; at += 2) yield new MessageReader(this.#bytes, ranges[at], ranges[at + 1]);
  }

  #messages<T>(field: number, decode: (reader: MessageReader) => T): T[] {
    return Array.from(this.#readers(field), decode);
  }

  #integer(field: number): Integer {
    return this.#integers.get(field) ?? 0;
  }

  #text(index: Integer): number {
    const text = this.#texts[Number(index)];
    if (text === undefined) throw new WireError(`string ${index} of ${this.#texts.length} is missing`);
    return text;
  }

  #textsOf([type, unit]: readonly [Integer, Integer]): ValueType {
    return [this.#text(type), this.#text(unit)];
  }

  #describe([type, unit]: readonly [Integer, Integer]): string {
    const plain = (index: Integer): string => Buffer.from(this.#plainTexts[Number(index)] ?? '', 'latin1').toString('utf8');
    return `${plain(type)}/${plain(unit)}`;
  }
}

/** A location with the ids of its own profile. */
export interface RawLocation extends Omit<Location, 'mappingId' | 'lines'> {
  mappingId: Integer;
  lines: [functionId: Integer, line: Integer, column: Integer][];
}

function decodeValueType(reader: MessageReader): [Integer, Integer] {
  const [, type, unit] = integersOf(reader, 2);
  return [type!, unit!];
}

/** The integer fields 1 to `last` of a message that has only such; what is not there is 0. Addresses, unsigned, come as they are. */
function integersOf(reader: MessageReader, last: number): Integer[] {
  const values: Integer[] = Array.from({ length: last + 1 }, () => 0);
  while (reader.next()) {
    if (reader.field <= last) values[reader.field] = reader.unsigned();
    else reader.skip();
  }
  return values;
}
