// A server that takes profiles as Pyroscope does at POST /ingest: it enforces the rules of Pyroscope 2.2 that its documents and sources state, one by one, and
// refuses with the same statuses, codes and messages. The real server is a Go module that the module proxy does not serve, so no test can start it: what
// is accepted here was not accepted by Pyroscope itself.
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';

/** Pyroscope's defaults. */
export const LIMITS = {
  bodyBytes: 256 * 1024 * 1024,
  profileBytes: 4 * 1024 * 1024,
  samples: 16_000,
  labelsOfSample: 100,
  depth: 1000,
  labelNames: 30,
  labelNameBytes: 1024,
  labelValueBytes: 2048,
  olderMs: 3_600_000,
  newerMs: 600_000,
  /** How much a tenant may push: a bucket that holds `burstBytes` and fills with `bytesPerSecond`. */
  bytesPerSecond: 4 * 1024 * 1024,
  burstBytes: 2 * 1024 * 1024,
};

/** The code that stands in the JSON beside a status. */
const codes = { 400: 'invalid_argument', 404: 'unimplemented', 413: 'invalid_argument', 429: 'resource_exhausted' };

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Starts it.
 *
 * `limits` replaces single {@link LIMITS}. With `tenants` every request needs the header X-Scope-OrgID; `basic: 'user:password'` or `bearer: 'token'` puts a
 * proxy in front that asks for it; `now` is the clock of the rate limit, in milliseconds. The server has `url`, `pushes` (what it accepted: `{ application, labels, metric, from, until, spyName, sampleRate,
 * tenant, profile, depthsCut }`, `profile` as pprof-format reads it), `refusals` (`{ status, message }`) and `stop()`.
 */
export async function startPyroscope({ limits: changed = {}, tenants = false, basic, bearer, now = () => performance.now() } = {}) {
  const limits = { ...LIMITS, ...changed };
  const pushes = [];
  const refusals = [];
  const buckets = new Map();

  const take = (tenant, bytes) => {
    const time = now();
    const { level, at } = buckets.get(tenant) ?? { level: limits.burstBytes, at: time };
    const filled = Math.min(limits.burstBytes, level + ((time - at) / 1000) * limits.bytesPerSecond);
    const enough = filled >= bytes;
    buckets.set(tenant, { level: enough ? filled - bytes : filled, at: time });
    if (!enough) throw new Refusal(429, `push rate limit (${limits.bytesPerSecond} B) exceeded while adding ${bytes} B`);
  };

  const server = createServer(async (request, response) => {
    const plain = (status, text, headers = {}) => {
      refusals.push({ status, message: text });
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`);
    };
    try {
      const url = new URL(request.url, 'http://localhost');
      const wanted = basic === undefined ? bearer && `Bearer ${bearer}` : `Basic ${Buffer.from(basic).toString('base64')}`;
      if (wanted !== undefined && request.headers.authorization !== wanted) return plain(401, 'unauthorized', { 'www-authenticate': wanted.split(' ', 1)[0] });
      if (url.pathname !== '/ingest') return plain(404, '404 page not found');
      if (request.method !== 'POST') return plain(405, 'method not allowed');
      const tenant = request.headers['x-scope-orgid'];
      if (tenants && !tenant) return plain(401, 'no org id');

      const metadata = readMetadata(url.searchParams);
      const body = await readBody(request, limits.bodyBytes);
      const push = await readPush(url.searchParams, request.headers['content-type'] ?? '', body, metadata);
      if (push.profile !== undefined) {
        take(tenant ?? 'anonymous', push.bytes);
        validate(push, limits);
      }
      pushes.push({ ...push, tenant });
      return response.writeHead(200).end();
    } catch (error) {
      if (!(error instanceof Refusal)) return plain(500, error.stack);
      const { status, message } = error;
      refusals.push({ status, message });
      const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', ...(request.complete ? {} : { connection: 'close' }) };
      return response.writeHead(status, headers).end(`${JSON.stringify({ code: codes[status] ?? 'unknown', message })}\n`);
    }
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    pushes,
    refusals,
    stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      return closed;
    },
  };
}

// ---- what the URL says

function readMetadata(query) {
  let labels;
  try {
    labels = readName(query.get('name') ?? '');
  } catch (error) {
    throw new Refusal(400, `name: ${error.message}`);
  }
  const { application, ...rest } = labels;
  return {
    application,
    labels: rest,
    from: query.get('from') ?? undefined,
    until: query.get('until') ?? undefined,
    spyName: query.get('spyName') ?? 'unknown',
    sampleRate: Number.parseInt(query.get('sampleRate') ?? '100', 10),
  };
}

/** Reads `application{key=value,other=value}`; like Pyroscope it is content without the last brace. */
export function readName(name) {
  const open = name.indexOf('{');
  const application = (open < 0 ? name : name.slice(0, open)).trim();
  if (application === '') throw new Error('service name is required');
  const bad = /[^\w./-]/u.exec(application);
  if (bad) throw new Error(`invalid service name: ${application}: character is not allowed: '${bad[0]}'`);
  const labels = { application };
  if (open < 0) return labels;
  for (const pair of name.slice(open + 1).split('}', 1)[0].split(',')) {
    const equals = pair.indexOf('=');
    if (equals < 0) continue;
    const key = pair.slice(0, equals).trim();
    if (key === '') throw new Error('label name is required');
    const wrong = /[^\w.]/u.exec(key);
    if (wrong) throw new Error(`invalid label name: ${key}: character is not allowed: '${wrong[0]}'`);
    if (key !== '__name__') labels[key] = pair.slice(equals + 1).trim();
  }
  return labels;
}

// ---- the body

async function readBody(request, limit) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > limit) throw new Refusal(413, 'request body too large: error reading request body: http: request body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readPush(query, contentType, body, metadata) {
  const format = query.get('format');
  if (format !== null && format !== 'pprof') throw new Refusal(422, `the format ${format} is not for profiles of pronghorn`);
  let bytes = body;
  // With format=pprof the body is the profile, whatever its type says.
  if (format === null) {
    if (!contentType.includes('multipart/form-data')) throw new Refusal(422, 'without a format the body has to be multipart/form-data');
    bytes = await profileOfForm(contentType, body);
  }
  // A push without a profile is taken, and nothing comes of it.
  if (bytes === undefined || bytes.length === 0) return { ...metadata, profile: undefined };
  const { raw, profile } = decode(bytes);
  return { ...metadata, profile, raw, bytes: raw.length, metric: metricOf(profile) };
}

async function profileOfForm(contentType, body) {
  const refuse = (why) => new Refusal(422, `parsing IngestInput-pprof failed failed to parse pprof /ingest multipart form ${why}`);
  let form;
  try {
    form = await new Request('http://localhost', { method: 'POST', headers: { 'content-type': contentType }, body }).formData();
  } catch (error) {
    throw refuse(error.message);
  }
  if (form.has('prev_profile')) throw refuse('unsupported client version: prev_profile');
  const profile = form.get('profile');
  // A field without a file name reaches us as text, whose bytes are lost.
  if (typeof profile === 'string') throw refuse('the field profile is not a file');
  const config = form.get('sample_type_config');
  if (config !== null) {
    try {
      JSON.parse(typeof config === 'string' ? config : await config.text());
    } catch (error) {
      throw refuse(error.message);
    }
  }
  return profile === null ? undefined : Buffer.from(await profile.arrayBuffer());
}

function decode(bytes) {
  try {
    const raw = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
    for (const text of fields(raw, STRING_TABLE)) {
      if (Buffer.compare(Buffer.from(text.toString('utf8')), text) !== 0) throw new Refusal(422, `invalid utf8 string hex: ${text.toString('hex')}`);
    }
    return { raw, profile: Profile.decode(raw) };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(422, `parsing IngestInput-pprof failed invalid_argument: ${error.message}`);
  }
}

const STRING_TABLE = 6;

/** The length-delimited fields of one number in a protobuf message; throws where it is not well formed. */
function fields(message, wanted) {
  const found = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('unexpected EOF');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('integer overflow');
  };
  while (at < message.length) {
    const tag = varint();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (number === 0 || ![0, 1, 2, 5].includes(type)) throw new Error(`illegal tag ${number} (wire type ${type})`);
    const length = type === 2 ? varint() : 0;
    const from = at;
    if (type === 0) varint();
    else at += type === 2 ? length : type === 1 ? 8 : 4;
    if (at > message.length) throw new Error('unexpected EOF');
    if (type === 2 && number === wanted) found.push(message.subarray(from, at));
  }
  return found;
}

// ---- the profile

const textsOf = (profile) => (index) => profile.stringTable.strings[Number(index)] ?? '';

/** The name that the series gets. */
function metricOf(profile) {
  const text = textsOf(profile);
  const types = profile.sampleType.map(({ type }) => text(type));
  if (types.includes('wall')) return 'wall';
  return types.some((type) => type.includes('cpu')) ? 'process_cpu' : (types.at(-1) ?? '');
}

/** Throws the first refusal there is, in Pyroscope's order, and cuts what Pyroscope cuts. */
function validate(push, limits) {
  const { profile } = push;
  const text = textsOf(profile);
  const refuse = (why) => new Refusal(422, `pushing IngestInput-pprof failed invalid_argument: ${why}`);

  const series = { __delta__: 'false', __name__: push.metric, pyroscope_spy: push.spyName, service_name: push.application, ...push.labels };
  const names = Object.keys(series).sort();
  const shown = `{${names.map((name) => `${name}=${JSON.stringify(series[name])}`).join(', ')}}`;
  if (names.length > limits.labelNames) throw refuse(`profile series '${shown}' has ${names.length} label names; limit ${limits.labelNames}`);
  if (!/^[a-z_:][\w:]*$/i.test(push.metric)) throw refuse(`invalid labels '${shown}' with error: invalid metric name`);
  for (const name of names) {
    if (name.length > limits.labelNameBytes) throw refuse(`profile with labels '${shown}' has label name too long: '${name}'`);
    if (Buffer.byteLength(series[name]) > limits.labelValueBytes) throw refuse(`profile with labels '${shown}' has label value too long: '${series[name]}'`);
    if (!/^[a-z_][\w.]*$/i.test(name)) throw refuse(`invalid labels '${shown}' with error: invalid label name '${name}'`);
  }

  const time = Number(BigInt(profile.timeNanos) / 1_000_000n);
  const [earliest, latest] = [Date.now() - limits.olderMs, Date.now() + limits.newerMs];
  if (time > 0 && (time <= earliest || time >= latest)) {
    const window = `the ingestion window starts at ${new Date(earliest).toISOString()} and ends at ${new Date(latest).toISOString()}`;
    throw refuse(`profile with labels '${shown}' is outside of ingestion window (profile timestamp: ${new Date(time).toISOString()}, ${window})`);
  }
  const exceeds = (what, setting, actual, limit) => refuse(`the profile with labels '${shown}' exceeds the ${what} limit (${setting}, actual: ${actual}, limit: ${limit})`);
  if (push.bytes > limits.profileBytes) throw exceeds('size', 'max_profile_size_byte', push.bytes, limits.profileBytes);
  if (profile.sample.length > limits.samples) throw exceeds('samples count', 'max_profile_stacktrace_samples', profile.sample.length, limits.samples);
  push.depthsCut = 0;
  for (const sample of profile.sample) {
    if (sample.locationId.length > limits.depth) {
      push.depthsCut += 1;
      // The leaf stands first, and it is the leaves that go.
      sample.locationId = sample.locationId.slice(-limits.depth);
    }
    if (sample.label.length > limits.labelsOfSample) throw exceeds('sample labels', 'max_profile_stacktrace_sample_labels', sample.label.length, limits.labelsOfSample);
  }
  if (profile.location.some(({ id }) => Number(id) === 0)) throw refuse('location id is 0');
  if (profile.function.some(({ id }) => Number(id) === 0)) throw refuse('function id is 0');
  if (profile.sampleType.some(({ type }) => text(type).includes('-'))) throw refuse('sample type contains -');
}
