// Reads OTLP profiles requests with protobufjs and the .proto files of OpenTelemetry, neither of which is ours, and holds them against the rules of
// the format. The .proto files come with the crate opentelemetry-proto, which the tests of crates/pronghorn-otlp need anyway: no npm package has them.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';
import { runOk } from './child.mjs';

let definitions;

/** The message type of a request. */
async function requestType() {
  const { stdout } = await runOk('cargo', ['metadata', '--format-version=1', '--locked'], { deadlineMs: 120_000 });
  const crate = JSON.parse(stdout).packages.find(({ name }) => name === 'opentelemetry-proto');
  const protos = join(dirname(crate.manifest_path), 'src/proto/opentelemetry-proto');
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(protos, target);
  await root.load('opentelemetry/proto/collector/profiles/v1development/profiles_service.proto');
  return root.lookupType('opentelemetry.proto.collector.profiles.v1development.ExportProfilesServiceRequest');
}

/**
 * @param {Uint8Array} bytes the body of a request, not compressed
 * @returns the request as plain objects: 64-bit integers are BigInts, bytes are base64, lists are never missing, values that are not set have their defaults
 */
export async function readRequest(bytes) {
  definitions ??= requestType();
  const type = await definitions;
  const plain = type.toObject(type.decode(bytes), { longs: String, bytes: String, defaults: true, arrays: true, oneofs: true });
  return JSON.parse(JSON.stringify(plain), (key, value) => (LONGS.has(key) ? toBigInts(value) : value));
}

const LONGS = new Set(['memoryStart', 'memoryLimit', 'fileOffset', 'address', 'line', 'column', 'startLine', 'values', 'timestampsUnixNano', 'timeUnixNano', 'durationNano', 'period', 'intValue']);
const toBigInts = (value) => {
  if (Array.isArray(value)) return value.map((entry) => (typeof entry === 'string' ? BigInt(entry) : entry));
  return typeof value === 'string' ? BigInt(value) : value;
};

/** The value of an attribute. */
export function valueOf(any) {
  if (any.value === 'arrayValue') return any.arrayValue.values.map(valueOf);
  return any[any.value];
}

/** The attributes that indices stand for, as an object. */
export function attributesOf({ attributeTable, stringTable }, indices) {
  return Object.fromEntries(indices.map((index) => [stringTable[attributeTable[index].keyStrindex], valueOf(attributeTable[index].value)]));
}

const show = (value) => JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? `${part}` : part));
const isUnique = (list) => new Set(list.map(show)).size === list.length;
const bytesOf = (base64) => Buffer.from(base64, 'base64');

/** The zero value of each table, as readRequest() shows it. */
const ZEROS = {
  mappingTable: { memoryStart: 0n, memoryLimit: 0n, fileOffset: 0n, filenameStrindex: 0, attributeIndices: [] },
  locationTable: { mappingIndex: 0, address: 0n, lines: [], attributeIndices: [] },
  functionTable: { nameStrindex: 0, systemNameStrindex: 0, filenameStrindex: 0, startLine: 0n },
  stringTable: '',
  attributeTable: { keyStrindex: 0, value: null, unitStrindex: 0 },
  stackTable: { locationIndices: [] },
};

/** Checks every rule of the format; `assert` fails at the first that is broken. */
export function assertRules(request) {
  const { dictionary } = request;
  const named = Object.fromEntries([...Object.keys(ZEROS), 'linkTable'].map((table) => [table, new Set()]));
  const name = (table, ...indices) => {
    for (const index of indices) {
      assert.ok(Number.isInteger(index) && index >= 0 && index < dictionary[table].length, `${table} has ${dictionary[table].length} entries, and ${index} is named`);
      named[table].add(index);
    }
  };
  const attributes = (indices, whose) => {
    name('attributeTable', ...indices);
    assert.ok(!indices.includes(0), `${whose} names the zero attribute`);
    assert.ok(isUnique(indices.map((index) => dictionary.attributeTable[index].keyStrindex)), `${whose} has a key twice`);
  };
  const valueType = (type) => name('stringTable', type.typeStrindex, type.unitStrindex);

  for (const { resource, scopeProfiles } of request.resourceProfiles) {
    assert.ok(isUnique(resource.attributes.map(({ key }) => key)), 'a resource attribute is there twice');
    for (const { scope, profiles } of scopeProfiles) {
      assert.equal(scope.name, 'pronghorn');
      const ids = profiles.map(({ profileId }) => bytesOf(profileId)).filter(({ length }) => length > 0);
      for (const id of ids) assert.ok(id.length === 16 && id.some((byte) => byte !== 0), `profile id ${id.toString('hex')}`);
      assert.ok(isUnique(ids), 'two profiles have one id');
      for (const profile of profiles) {
        valueType(profile.sampleType);
        if (profile.periodType) valueType(profile.periodType);
        attributes(profile.attributeIndices, 'a profile');
        assert.equal(profile.originalPayloadFormat === '', bytesOf(profile.originalPayload).length === 0);
        const end = profile.timeUnixNano + profile.durationNano;
        const shapes = new Set();
        for (const sample of profile.samples) {
          const { values, timestampsUnixNano: times } = sample;
          name('stackTable', sample.stackIndex);
          name('linkTable', sample.linkIndex);
          attributes(sample.attributeIndices, 'a sample');
          assert.ok(times.length === 0 ? values.length === 1 : values.length === 0 || values.length === times.length, `${values.length} values, ${times.length} timestamps`);
          shapes.add(`${values.length > 0} ${times.length > 0}`);
          assert.ok(times.every((time) => time >= profile.timeUnixNano && time < end), 'a timestamp lies outside of the profile');
          assert.ok(!values.every((value) => value === 0n), 'a sample of nothing');
        }
        assert.ok(shapes.size <= 1, `samples of several shapes: ${[...shapes]}`);
        const identities = profile.samples.map((sample) => [sample.stackIndex, sample.attributeIndices.toSorted((a, b) => a - b), sample.linkIndex]);
        assert.ok(isUnique(identities), 'a sample is there twice');
      }
    }
  }

  for (const [table, zero] of Object.entries(ZEROS)) {
    assert.deepEqual(dictionary[table][0], zero, `${table} begins with its zero value`);
    assert.ok(isUnique(dictionary[table]), `${table} has an entry twice`);
  }
  for (const [index, link] of dictionary.linkTable.entries()) {
    const [trace, span] = [bytesOf(link.traceId), bytesOf(link.spanId)];
    assert.deepEqual([trace.length, span.length], [16, 8]);
    assert.equal(index === 0, Buffer.concat([trace, span]).every((byte) => byte === 0), `link ${index}`);
  }
  assert.ok(dictionary.linkTable.length > 0 && isUnique(dictionary.linkTable));
  for (const { locationIndices } of dictionary.stackTable) {
    name('locationTable', ...locationIndices);
    assert.ok(!locationIndices.includes(0), 'a stack names the zero location');
  }
  for (const location of dictionary.locationTable.slice(1)) {
    name('mappingTable', location.mappingIndex);
    attributes(location.attributeIndices, 'a location');
    const kind = attributesOf(dictionary, location.attributeIndices)['profile.frame.type'];
    assert.ok(kind === 'v8js' || kind === 'native', `frame type ${kind}`);
    for (const { functionIndex, line, column } of location.lines) {
      name('functionTable', functionIndex);
      assert.ok(line >= 0n && column >= 0n, `line ${line}, column ${column}`);
    }
  }
  for (const { nameStrindex, systemNameStrindex, filenameStrindex, startLine } of dictionary.functionTable.slice(1)) {
    name('stringTable', nameStrindex, systemNameStrindex, filenameStrindex);
    assert.ok(nameStrindex + systemNameStrindex + filenameStrindex > 0 && startLine >= 0n, 'a function has a name');
  }
  for (const { memoryStart, memoryLimit, filenameStrindex, attributeIndices } of dictionary.mappingTable) {
    name('stringTable', filenameStrindex);
    attributes(attributeIndices, 'a mapping');
    assert.ok((memoryStart === 0n && memoryLimit === 0n) || memoryStart < memoryLimit, `a mapping of ${memoryStart}-${memoryLimit}`);
  }
  for (const { keyStrindex, unitStrindex, value } of dictionary.attributeTable.slice(1)) {
    name('stringTable', keyStrindex, unitStrindex);
    assert.ok(keyStrindex > 0 && value?.value, 'an attribute has a key and a value');
  }
  for (const [table, indices] of Object.entries(named)) {
    const orphans = dictionary[table].map((_, index) => index).filter((index) => index > 0 && !indices.has(index));
    assert.deepEqual(orphans, [], `${table} has entries that nobody names`);
  }
}

/**
 * The samples of one profile of a request, as helpers/pprof.mjs shows those of a pprof: stacks root first, with `value`, `threadId`, `threadName`
 * and `pid`.
 */
export function samplesOf({ dictionary }, profile) {
  const { stringTable: texts } = dictionary;
  const framesOf = (index) => {
    const { mappingIndex, address, lines, attributeIndices } = dictionary.locationTable[index];
    const kind = attributesOf(dictionary, attributeIndices)['profile.frame.type'];
    const { memoryStart, filenameStrindex, attributeIndices: ofMapping } = dictionary.mappingTable[mappingIndex];
    const mapping = mappingIndex === 0 ? '' : [memoryStart, texts[filenameStrindex], attributesOf(dictionary, ofMapping)['process.executable.build_id.gnu']].join();
    const list = lines.length === 0 ? [{ functionIndex: 0, line: 0n }] : lines;
    return list.map(({ functionIndex, line }) => {
      const { nameStrindex, filenameStrindex: file, startLine } = dictionary.functionTable[functionIndex];
      return [texts[nameStrindex], texts[file], Number(line), Number(startLine), address, mapping, kind];
    });
  };
  return profile.samples.map(({ stackIndex, attributeIndices, values }) => {
    const labels = attributesOf(dictionary, attributeIndices);
    return {
      stack: dictionary.stackTable[stackIndex].locationIndices.flatMap(framesOf).reverse(),
      value: Number(values[0]),
      threadId: Number(labels['thread.id']),
      threadName: labels['thread.name'],
      pid: Number(labels['process.pid']),
    };
  });
}
