/**
 * The tables of a merged profile: what several profiles have in common stands in them once.
 *
 * Everything is kept as integers: a text, a function or a location of an input gets its number in the merged profile when it is first seen, and
 * a sample is then nothing but numbers. Integers are numbers where these are exact and bigints beyond, so that equal ones have equal texts.
 */
import { smallest, WireError } from './protobuf.js';
import { MessageWriter } from './protobuf-writer.js';

/** An integer of up to 64 bits. */
export type Integer = number | bigint;

/** Most different samples of a merged profile. It stays below what a Map can hold. */
const MAX_SAMPLES = 10_000_000;

/** Numbers things by their contents, in the order in which they are first seen. */
class Interner<T> {
  readonly #numbers = new Map<string, number>();
  readonly entries: T[] = [];

  /** @returns the index of the entry with this key, which `make` builds if there is none */
  intern(key: string, make: () => T): number {
    let index = this.#numbers.get(key);
    if (index === undefined) {
      index = this.entries.length;
      this.#numbers.set(key, index);
      this.entries.push(make());
    }
    return index;
  }
}

/** Texts, as byte strings. Number 0 is the empty one, as the format demands. */
export class StringTable {
  readonly #texts = new Interner<string>();

  constructor() {
    this.insert('');
  }

  insert(text: string): number {
    return this.#texts.intern(text, () => text);
  }

  write(profile: MessageWriter, field: number): void {
    for (const text of this.#texts.entries) profile.byteString(field, text);
  }
}

/** A mapped file. Texts are numbers of the merged profile. */
export interface Mapping {
  start: Integer;
  limit: Integer;
  offset: Integer;
  file: number;
  buildId: number;
  /** has_functions, has_filenames, has_line_numbers, has_inline_frames. */
  flags: [Integer, Integer, Integer, Integer];
}

/**
 * Mapped files. The same part of the same file is one mapping wherever a process has it: libraries lie at other addresses in every process, and
 * their locations move with them.
 */
export class MappingTable {
  readonly #mappings = new Interner<Mapping>();

  /** @returns its id, from 1, and what has to be added to an address of this input */
  insert(mapping: Mapping): { id: number; shift: bigint } {
    const size = BigInt(mapping.limit) - BigInt(mapping.start);
    const key = [size, mapping.offset, mapping.file, mapping.buildId].join();
    const index = this.#mappings.intern(key, () => ({ ...mapping }));
    const kept = this.#mappings.entries[index]!;
    // A reader that trusts a flag must be right for every location.
    kept.flags.forEach((flag, at) => (kept.flags[at] = flag === 0 ? 0 : mapping.flags[at]!));
    return { id: index + 1, shift: BigInt(kept.start) - BigInt(mapping.start) };
  }

  write(profile: MessageWriter, field: number): void {
    const message = new MessageWriter();
    this.#mappings.entries.forEach((mapping, index) => {
      message.clear();
      message.integer(1, index + 1);
      message.integer(2, mapping.start);
      message.integer(3, mapping.limit);
      message.integer(4, mapping.offset);
      message.integer(5, mapping.file);
      message.integer(6, mapping.buildId);
      mapping.flags.forEach((flag, at) => message.integer(7 + at, flag));
      profile.message(field, message);
    });
  }
}

/** name, system_name and filename as texts of the merged profile, and start_line. */
export type FunctionFields = [name: number, systemName: number, file: number, startLine: Integer];

/** The functions. */
export class FunctionTable {
  readonly #functions = new Interner<FunctionFields>();

  /** @returns its id, from 1 */
  insert(fields: FunctionFields): number {
    return this.#functions.intern(fields.join(), () => fields) + 1;
  }

  write(profile: MessageWriter, field: number): void {
    const message = new MessageWriter();
    this.#functions.entries.forEach((fields, index) => {
      message.clear();
      message.integer(1, index + 1);
      fields.forEach((value, at) => message.integer(2 + at, value));
      profile.message(field, message);
    });
  }
}

/** A place in the code; a line is the function's id in the merged profile, the line and the column. */
export interface Location {
  mappingId: number;
  address: Integer;
  lines: [functionId: number, line: Integer, column: Integer][];
  folded: Integer;
}

/** The places. */
export class LocationTable {
  readonly #locations = new Interner<Location>();

  /** @returns its id, from 1 */
  insert(location: Location): number {
    const key = `${location.mappingId},${location.address},${location.folded};${location.lines.join(';')}`;
    return this.#locations.intern(key, () => location) + 1;
  }

  write(profile: MessageWriter, field: number): void {
    const message = new MessageWriter();
    const line = new MessageWriter();
    this.#locations.entries.forEach((location, index) => {
      message.clear();
      message.integer(1, index + 1);
      message.integer(2, location.mappingId);
      message.integer(3, location.address);
      for (const fields of location.lines) {
        line.clear();
        fields.forEach((value, at) => line.integer(1 + at, value));
        message.message(4, line);
      }
      message.integer(5, location.folded);
      profile.message(field, message);
    });
  }
}

/** key, str, num and num_unit; key, str and num_unit are texts of the merged profile. */
export type LabelFields = [key: number, text: number, number: Integer, unit: number];

interface Sample {
  locationIds: number[];
  values: Integer[];
  labels: LabelFields[];
}

/** The samples: those with the same stack and the same labels, in whatever order, are one, with the sums of their values. */
export class SampleTable {
  readonly #samples = new Interner<Sample>();

  insert(locationIds: number[], values: Integer[], labels: LabelFields[]): void {
    const labelsKey = labels.length < 2 ? labels.join() : labels.map((label) => label.join()).sort().join(';');
    const before = this.#samples.entries.length;
    const index = this.#samples.intern(`${locationIds.join()};${labelsKey}`, () => ({ locationIds, values, labels }));
    if (index === before) {
      if (index >= MAX_SAMPLES) throw new WireError(`together they have more than ${MAX_SAMPLES} different samples`);
      return;
    }
    const sums = this.#samples.entries[index]!.values;
    for (let at = 0; at < sums.length; at++) sums[at] = add(sums[at]!, values[at]!);
  }

  write(profile: MessageWriter, field: number): void {
    const message = new MessageWriter();
    const label = new MessageWriter();
    for (const sample of this.#samples.entries) {
      message.clear();
      message.packed(1, sample.locationIds);
      message.packed(2, sample.values);
      for (const fields of sample.labels) {
        label.clear();
        fields.forEach((value, at) => label.integer(1 + at, value));
        message.message(3, label);
      }
      profile.message(field, message);
    }
  }
}

/** The exact sum of two signed 64-bit integers. */
function add(a: Integer, b: Integer): Integer {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  if (BigInt.asIntN(64, sum) !== sum) throw new WireError('the sum of its values and those before it has more than 64 bits');
  return smallest(sum);
}
