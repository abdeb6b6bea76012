// Builds pprof bytes with pprof-format, an encoder that is not ours, for the tests of the reader.
import { gzipSync } from 'node:zlib';
import { Function as PprofFunction, Label, Line, Location, Mapping, Profile, Sample, StringTable, ValueType } from 'pprof-format';

/**
 * @param {{ stacks: { stack: (string | string[])[], values: (number | bigint)[], labels?: Record<string, string | number> }[],
 *   types?: [string, string][], defaultType?: string, comment?: string, periodType?: [string, string], period?: number, timeNanos?: bigint,
 *   durationNanos?: number, base?: bigint }} what stacks are leaf first; a frame is "name file:line", or a list of such for one location with
 *   inlined functions, or "0x1234@binary" for an address without a function; `base` is where binaries are mapped
 * @returns {Buffer} gzipped
 */
export function buildProfile({ stacks, types = [['samples', 'count'], ['cpu', 'nanoseconds'], ['wall', 'nanoseconds']], defaultType = 'cpu', comment, periodType, period = 0, timeNanos = 1_700_000_000_000_000_000n, durationNanos = 2_500_000_000, base }) {
  const stringTable = new StringTable();
  const text = (value) => stringTable.dedup(value);
  const functions = new Map();
  const locations = new Map();
  const mappings = new Map();

  const functionId = (frame) => {
    if (!functions.has(frame)) {
      const [, name, filename = '', startLine = '0'] = /^(\S+)(?: (.*):(\d+))?$/.exec(frame);
      functions.set(frame, new PprofFunction({ id: functions.size + 1, name: text(name), filename: text(filename), startLine: Number(startLine) }));
    }
    return functions.get(frame).id;
  };
  const locationId = (frames) => {
    const list = Array.isArray(frames) ? frames : [frames];
    const key = list.join('|');
    if (!locations.has(key)) {
      const id = locations.size + 1;
      const native = /^(0x[0-9a-f]+)@(.*)$/.exec(key);
      if (native) {
        const range = base === undefined ? {} : { memoryStart: base, memoryLimit: base + 0x10000n, hasFunctions: true };
        if (!mappings.has(native[2])) mappings.set(native[2], new Mapping({ id: mappings.size + 1, filename: text(native[2]), ...range }));
        const mapping = mappings.get(native[2]);
        locations.set(key, new Location({ id, mappingId: mapping.id, address: BigInt(native[1]) + (base ?? 0n), line: [] }));
      } else {
        locations.set(key, new Location({ id, line: list.map((frame) => new Line({ functionId: functionId(frame), line: 5 })) }));
      }
    }
    return locations.get(key).id;
  };

  const labelOf = ([key, value]) => new Label({ key: text(key), ...(typeof value === 'string' ? { str: text(value) } : { num: value }) });
  const sample = stacks.map(({ stack, values, labels = {} }) => {
    return new Sample({ locationId: stack.map(locationId), value: values, label: Object.entries(labels).map(labelOf) });
  });
  const profile = new Profile({
    sampleType: types.map(([type, unit]) => new ValueType({ type: text(type), unit: text(unit) })),
    sample,
    function: [...functions.values()],
    location: [...locations.values()],
    mapping: [...mappings.values()],
    timeNanos,
    durationNanos,
    period,
    ...(periodType === undefined ? {} : { periodType: new ValueType({ type: text(periodType[0]), unit: text(periodType[1]) }) }),
    comment: comment === undefined ? [] : [text(comment)],
    defaultSampleType: defaultType === undefined ? 0 : text(defaultType),
    stringTable,
  });
  return gzipSync(profile.encode());
}
