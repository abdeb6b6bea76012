// A real OpenTelemetry Collector: takes OTLP profiles as any collector does, and shows what it understood of them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, request, startServer } from './servers.mjs';

const PATH = '/v1development/profiles';

/**
 * Starts a collector.
 *
 * The server has `endpoint` (as in OTEL_EXPORTER_OTLP_ENDPOINT), `push(body, headers)`, `debug()` (what the debug exporter printed, parsed),
 * `messages()` and `profiles()` (what the file exporter wrote: all there was in the messages), `received(n)`, which waits for n messages, and `stop()`.
 */
export async function startCollector() {
  let files;
  const configure = (port, folder) => {
    files = { debug: join(folder, 'debug.txt'), messages: join(folder, 'messages.jsonl') };
    const config = join(folder, 'collector.json');
    const exporters = {
      debug: { verbosity: 'detailed', use_internal_logger: false, output_paths: [files.debug] },
      file: { path: files.messages, format: 'json', flush_interval: '50ms' },
    };
    writeFileSync(
      config,
      JSON.stringify({
        receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
        exporters,
        service: {
          telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
          pipelines: { profiles: { receivers: ['otlp'], exporters: Object.keys(exporters) } },
        },
      }),
    );
    return [`--config=file:${config}`, '--feature-gates=+service.profilesSupport'];
  };
  // It takes nothing but POST there, and says so once it works.
  const server = await startServer('collector', configure, { path: PATH, statuses: [405] });
  const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  const messages = () => read(files.messages).split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line));

  return {
    ...server,
    endpoint: server.url,
    /** Pushes a message: bytes as they are, anything else as OTLP's JSON. */
    push(body, headers = {}) {
      const json = !(body instanceof Uint8Array);
      const type = json ? 'application/json' : 'application/x-protobuf';
      const init = { method: 'POST', body: json && typeof body !== 'string' ? JSON.stringify(body) : body, headers: { 'content-type': type, ...headers } };
      return request(server.url + PATH, init);
    },
    debug: () => parseDebug(read(files.debug)),
    messages,
    profiles: () => messages().flatMap(readMessage),
    received: (count) => eventually(() => messages().length >= count, { what: `${count} messages at the collector` }),
  };
}

/**
 * Reads the detailed text of the debug exporter.
 *
 * @returns `{ strings, functions, locations, profiles: [{ resource, scope, durationNanos, samples: [{ values, attributes }] }] }`: functions as `{ name, file,
 *   startLine }`, locations as their functions' names. The exporter prints neither stacks nor sample types: those are in {@link readMessage}.
 *   Several messages follow each other; indices are resolved within each.
 */
export function parseDebug(text) {
  const result = { strings: [], functions: [], locations: [], profiles: [] };
  // A message begins with its dictionary, whose first mapping is the empty one.
  for (const part of text.split(/^(?=Mapping #0$)/m)) {
    const message = parseDebugMessage(part);
    for (const key of Object.keys(result)) result[key].push(...message[key]);
  }
  return result;
}

function parseDebugMessage(text) {
  const strings = [];
  const functions = [];
  const locations = [];
  const profiles = [];
  let resource = {};
  let scope = '';
  let section = '';
  const value = (line) => line.slice(line.indexOf(': ') + 2);
  for (const line of text.split('\n')) {
    if (section === 'strings' && line.startsWith('    ')) strings.push(line.slice(4));
    else if (line === 'String table:') section = 'strings';
    else if (/^Function #\d+$/.test(line)) {
      section = 'function';
      functions.push({});
    } else if (/^Location #\d+$/.test(line)) {
      section = 'location';
      locations.push([]);
    } else if (section === 'function' && /^ {4}(Name|Filename|Start line): \d+$/.test(line)) functions.at(-1)[line.trim().split(':', 1)[0]] = Number(value(line));
    else if (section === 'location' && /^ {8}Function index: \d+$/.test(line)) locations.at(-1).push(Number(value(line)));
    else if (/^ResourceProfiles #\d+$/.test(line)) resource = {};
    else if (line === 'Resource attributes:') section = 'resource';
    else if (section === 'resource' && line.startsWith('     -> ')) Object.assign(resource, attribute(line));
    else if (line.startsWith('InstrumentationScope ')) scope = line.slice('InstrumentationScope '.length).trim();
    else if (/^Profile #\d+$/.test(line)) {
      section = 'profile';
      profiles.push({ resource, scope, durationNanos: 0, samples: [] });
    } else if (/^ {4}DurationNano\s*: \d+$/.test(line)) profiles.at(-1).durationNanos = Number(value(line));
    else if (/^ {4}Sample #\d+$/.test(line)) profiles.at(-1).samples.push({ values: [], attributes: {} });
    else if (/^ {8}Values: \[/.test(line)) profiles.at(-1).samples.at(-1).values = (line.match(/-?\d+/g) ?? []).map(Number);
    else if (section === 'profile' && line.startsWith('             -> ')) Object.assign(profiles.at(-1).samples.at(-1).attributes, attribute(line));
    else if (!line.startsWith(' ')) section = '';
  }
  const named = functions.map((entry) => ({ name: strings[entry.Name] ?? '', file: strings[entry.Filename] ?? '', startLine: entry['Start line'] ?? 0 }));
  return { strings, functions: named, locations: locations.map((indices) => indices.map((index) => named[index]?.name)), profiles };
}

/** "     -> key: Str(value)" as `{ key: value }`; integers become numbers. */
function attribute(line) {
  const match = /-> (.*?): (\w+)\((.*)\)$/.exec(line);
  if (match === null) return {};
  const [, key, type, text] = match;
  return { [key]: type === 'Int' || type === 'Double' ? Number(text) : type === 'Bool' ? text === 'true' : text };
}

/**
 * Resolves one OTLP message in its JSON form, as the collector writes it.
 *
 * @returns {{ resource: object, scope: string, sampleType: string, periodType: string, period: number, timeNanos: bigint, durationNanos: number,
 *   attributes: object, samples: { stack: { name: string, file: string, line: number, startLine: number, address: string, mapping: string, attributes: object }[],
 *   values: number[], timestamps: bigint[], attributes: object, link: object | undefined }[] }[]} the profiles of the message; stacks from the root to the leaf
 * @throws where an index leads outside its table: the collector itself lets that pass
 */
export function readMessage({ resourceProfiles = [], dictionary = {} }) {
  const { stringTable = [], functionTable = [], locationTable = [], mappingTable = [], stackTable = [], attributeTable = [], linkTable = [] } = dictionary;
  // The entry 0 of each table is its zero value.
  const at = (table, index = 0, zero = {}) => {
    if (index !== 0 && !(index < table.length)) throw new RangeError(`the index ${index} in a table of ${table.length}`);
    return table[index] ?? zero;
  };
  const text = (index) => at(stringTable, index, '');
  const type = ({ typeStrindex, unitStrindex } = {}) => `${text(typeStrindex)}/${text(unitStrindex)}`;
  // Keys and texts may stand in the dictionary, too: the collector puts them there.
  const anyValue = (value = {}) => {
    if (value.intValue !== undefined) return Number(value.intValue);
    if (value.stringValueStrindex !== undefined) return text(value.stringValueStrindex);
    if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(anyValue);
    return value.stringValue ?? value.boolValue ?? value.doubleValue ?? value.bytesValue;
  };
  const attributesOf = (entries) => Object.fromEntries(entries.map(({ key, keyStrindex, value }) => [key ?? text(keyStrindex), anyValue(value)]));
  const byIndex = (indices = []) => attributesOf(indices.map((index) => at(attributeTable, index)));
  const frames = (index) => {
    const { lines = [], address = '0', mappingIndex, attributeIndices } = at(locationTable, index);
    const mapping = text(at(mappingTable, mappingIndex).filenameStrindex);
    const attributes = byIndex(attributeIndices);
    const frame = ({ functionIndex, line = 0 }) => {
      const { nameStrindex, filenameStrindex, startLine = 0 } = at(functionTable, functionIndex);
      return { name: text(nameStrindex), file: text(filenameStrindex), line: Number(line), startLine: Number(startLine), address, mapping, attributes };
    };
    return (lines.length === 0 ? [{}] : lines).map(frame).reverse();
  };
  const sample = ({ stackIndex, values = [], timestampsUnixNano = [], attributeIndices, linkIndex }) => ({
    stack: (at(stackTable, stackIndex).locationIndices ?? []).map(frames).reverse().flat(),
    values: values.map(Number),
    timestamps: timestampsUnixNano.map(BigInt),
    attributes: byIndex(attributeIndices),
    link: linkIndex ? at(linkTable, linkIndex) : undefined,
  });
  return resourceProfiles.flatMap(({ resource, scopeProfiles = [] }) =>
    scopeProfiles.flatMap(({ scope, profiles = [] }) =>
      profiles.map((profile) => ({
        resource: attributesOf(resource?.attributes ?? []),
        scope: [scope?.name, scope?.version].filter(Boolean).join(' '),
        sampleType: type(profile.sampleType),
        periodType: type(profile.periodType),
        period: Number(profile.period ?? 0),
        timeNanos: BigInt(profile.timeUnixNano ?? 0),
        durationNanos: Number(profile.durationNano ?? 0),
        attributes: byIndex(profile.attributeIndices),
        samples: (profile.samples ?? []).map(sample),
      })),
    ),
  );
}
