/**
 * Continuous profiling from the environment, for `register` and `pronghorn run`: PRONGHORN_EXPORTERS says where profiles go, the other variables how. What
 * can be a secret has a variable and no flag, since everybody can read the arguments of a process.
 */
import { InvalidOptionError } from '../errors.js';
import { HIDDEN } from './check.js';
import type { ContinuousOptions, ExporterOptions } from './options.js';
import { type Env, pairs } from './otel.js';

/** One variable. */
export interface Variable {
  readonly env: string;
  /** The flag of `pronghorn run`, without its dashes, for what is no secret. */
  readonly flag?: string;
  /** One line for the help. */
  readonly help: string;
}

/** The kinds of exporters that the environment can ask for. */
export const KINDS = ['file', 'pyroscope', 'parca', 'otlp', 'http'] as const;
type Kind = (typeof KINDS)[number];

/** Where servers listen if nobody says otherwise. */
const DEFAULT_URLS: { readonly [Each in Kind]?: string } = { pyroscope: 'http://localhost:4040', parca: 'http://localhost:7070' };

/** What holds for all exporters. */
export const COMMON: readonly Variable[] = [
  { env: 'PRONGHORN_EXPORTERS', flag: 'exporters', help: `where profiles go, each period: some of ${KINDS.join(',')}` },
  { env: 'PRONGHORN_PERIOD_MS', flag: 'period-ms', help: 'with exporters, the length of a period in milliseconds (default: 60,000)' },
  { env: 'PRONGHORN_SERVICE', flag: 'service', help: 'the name under which servers file the profiles (default: OTEL_SERVICE_NAME, else the program)' },
  { env: 'PRONGHORN_LABELS', flag: 'labels', help: 'labels for the servers: key=value,…, percent-encoded' },
  { env: 'PRONGHORN_STOP_TIMEOUT_MS', flag: 'stop-timeout-ms', help: 'how long the end waits for uploads, in milliseconds (default: 5,000)' },
  { env: 'PRONGHORN_QUEUE_MAX_PROFILES', help: '' },
  { env: 'PRONGHORN_QUEUE_MAX_BYTES', help: '' },
  { env: 'PRONGHORN_QUEUE_MAX_AGE_MS', help: '' },
];

/** What each server's variables are called after its own prefix, such as PRONGHORN_PARCA_. */
const OF_SERVERS: readonly string[] = ['URL', 'HEADERS', 'USER', 'PASSWORD', 'TOKEN', 'TENANT', 'TIMEOUT_MS', 'CA_FILE', 'CLIENT_CERTIFICATE_FILE', 'CLIENT_KEY_FILE'];
const OF_FILES: readonly string[] = ['MAX_FILES', 'MAX_BYTES'];

const prefix = (kind: Kind): string => `PRONGHORN_${kind.toUpperCase()}_`;

/** The names of all variables. */
export const VARIABLES: readonly string[] = [
  ...COMMON.map(({ env }) => env),
  ...KINDS.flatMap((kind) => (kind === 'file' ? OF_FILES : OF_SERVERS).map((name) => prefix(kind) + name)),
  `${prefix('http')}METHOD`,
];

/** Which option each property of an exporter comes from, for errors. */
const OPTION_NAMES: Readonly<Record<string, string>> = {
  url: 'URL', headers: 'HEADERS', basicAuth: 'USER', bearerToken: 'TOKEN', tenant: 'TENANT', timeoutMs: 'TIMEOUT_MS', method: 'METHOD', maxFiles: 'MAX_FILES', maxBytes: 'MAX_BYTES',
  caFile: 'CA_FILE', clientCertificateFile: 'CLIENT_CERTIFICATE_FILE', clientKeyFile: 'CLIENT_KEY_FILE',
};

/**
 * Reads them. An empty one counts as not set.
 *
 * @param outputDirectory where the file exporter writes
 * @throws InvalidOptionError naming the variable; never shows what may be a secret
 */
export function continuousFrom(env: Env, outputDirectory: string): ContinuousOptions {
  const kinds = list(env['PRONGHORN_EXPORTERS']);
  if (kinds.length === 0) {
    const idle = VARIABLES.find((name) => env[name] && (name.startsWith('PRONGHORN_PERIOD') || name.endsWith('_URL')));
    if (idle !== undefined) throw new InvalidOptionError(idle, HIDDEN, 'set with PRONGHORN_EXPORTERS', `${idle} has no effect without PRONGHORN_EXPORTERS, which says where profiles go: some of ${KINDS.join(',')}`);
    return {};
  }
  const queue = present({
    maxProfiles: number('PRONGHORN_QUEUE_MAX_PROFILES', env),
    maxBytes: number('PRONGHORN_QUEUE_MAX_BYTES', env),
    maxAgeMs: number('PRONGHORN_QUEUE_MAX_AGE_MS', env),
  });
  return present({
    exporters: kinds.map((kind) => exporterOf(kind, env, outputDirectory)),
    periodMs: number('PRONGHORN_PERIOD_MS', env),
    service: env['PRONGHORN_SERVICE'] || undefined,
    labels: env['PRONGHORN_LABELS'] ? pairs('PRONGHORN_LABELS', env) : undefined,
    queue: Object.keys(queue).length > 0 ? queue : undefined,
    stopTimeoutMs: number('PRONGHORN_STOP_TIMEOUT_MS', env),
  });
}

/** The name of the variable behind a path such as `exporters[0].url`, where the options came from the environment. */
export function variableOf(path: string, env: Env): string {
  const common = { periodMs: 'PERIOD_MS', service: 'SERVICE', labels: 'LABELS', stopTimeoutMs: 'STOP_TIMEOUT_MS', 'queue.maxProfiles': 'QUEUE_MAX_PROFILES', 'queue.maxBytes': 'QUEUE_MAX_BYTES', 'queue.maxAgeMs': 'QUEUE_MAX_AGE_MS' } as Record<string, string>;
  const [base = path] = path.split(/(?<=^labels)\./);
  if (common[base] !== undefined) return `PRONGHORN_${common[base]}`;
  const [, index, property, part] = /^exporters\[(\d+)\]\.(\w+)(?:\.(\w+))?/.exec(path) ?? [];
  const kind = index === undefined ? undefined : list(env['PRONGHORN_EXPORTERS'])[Number(index)];
  const name = part === 'password' ? 'PASSWORD' : OPTION_NAMES[property ?? ''];
  return kind === undefined || name === undefined ? path : `${prefix(kind)}${name}`;
}

function list(text: string | undefined): Kind[] {
  const words = (text ?? '').split(',').map((word) => word.trim()).filter((word) => word !== '');
  for (const word of words) {
    // A slip may have put an address there, with a password in it: only what looks like a kind is shown.
    if (!KINDS.includes(word as Kind)) throw new InvalidOptionError('PRONGHORN_EXPORTERS', /^[a-z-]{1,20}$/i.test(word) ? word : HIDDEN, `a list of ${KINDS.join(', ')}`);
  }
  return [...new Set(words)] as Kind[];
}

function exporterOf(kind: Kind, env: Env, directory: string): ExporterOptions {
  const of = (name: string): string | undefined => env[prefix(kind) + name] || undefined;
  if (kind === 'file') {
    return present({ type: kind, directory, maxFiles: number(`${prefix(kind)}MAX_FILES`, env), maxBytes: number(`${prefix(kind)}MAX_BYTES`, env) }) as ExporterOptions;
  }
  const [user, password] = [of('USER'), of('PASSWORD')];
  if ((user === undefined) !== (password === undefined)) {
    const [missing, there] = user === undefined ? ['USER', 'PASSWORD'] : ['PASSWORD', 'USER'];
    throw new InvalidOptionError(prefix(kind) + missing, undefined, `set where ${prefix(kind)}${there} is`);
  }
  if (kind !== 'http' && of('METHOD') !== undefined) throw new InvalidOptionError(`${prefix(kind)}METHOD`, HIDDEN, 'absent', `unknown variable ${prefix(kind)}METHOD: only ${prefix('http')}METHOD has a meaning`);
  const url = of('URL') ?? DEFAULT_URLS[kind];
  if (kind === 'http' && url === undefined) throw new InvalidOptionError('PRONGHORN_HTTP_URL', undefined, 'an http: or https: URL');
  return present({
    type: kind,
    url,
    headers: of('HEADERS') === undefined ? undefined : pairs(`${prefix(kind)}HEADERS`, env),
    basicAuth: user === undefined ? undefined : { user, password },
    bearerToken: of('TOKEN'),
    tenant: of('TENANT'),
    timeoutMs: number(`${prefix(kind)}TIMEOUT_MS`, env),
    caFile: of('CA_FILE'),
    clientCertificateFile: of('CLIENT_CERTIFICATE_FILE'),
    clientKeyFile: of('CLIENT_KEY_FILE'),
    method: kind === 'http' ? of('METHOD') : undefined,
  }) as ExporterOptions;
}

function number(name: string, env: Env): number | undefined {
  const text = env[name]?.trim();
  if (!text) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidOptionError(name, text, 'an integer');
}

/** Without what is not set. */
function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
}
