/**
 * The options of continuous profiling: what `start()` takes beside those of the profiler itself, checked before anything begins.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { InvalidOptionError } from '../errors.js';
import { unknownOption } from '../options.js';
import type { Exporter } from './exporter.js';
import { FileExporter } from './file.js';
import { HttpExporter } from './http.js';
import { OtlpExporter, type OtlpEncoder } from './otlp.js';
import { ParcaExporter } from './parca.js';
import { PyroscopeExporter } from './pyroscope.js';
import type { HttpSettings } from './target.js';

/** A folder. */
export interface FileExporterOptions {
  type: 'file';
  /** The folder; made if it does not exist. */
  directory: string;
  /** Most profiles that are kept in it, by all processes together: an integer from 1. The oldest go first. Default 1,000. */
  maxFiles?: number | undefined;
  /** Most bytes of profiles that are kept in it: an integer from 1. Default 1 GiB. */
  maxBytes?: number | undefined;
}

/** What all servers have in common. Nothing of it ever appears in a message or a profile but the URL, without user, password and query. */
export interface ServerOptions {
  /** http: or https:. */
  url: string | URL;
  /** For one attempt, in milliseconds: an integer from 1 to 3,600,000. Default 10,000. */
  timeoutMs?: number | undefined;
  /** Further request headers. */
  headers?: Readonly<Record<string, string>> | undefined;
  basicAuth?: { user: string; password: string } | undefined;
  bearerToken?: string | undefined;
  /** Sent as X-Scope-OrgID. */
  tenant?: string | undefined;
}

/** Grafana Pyroscope. */
export interface PyroscopeExporterOptions extends ServerOptions {
  type: 'pyroscope';
}

/** Parca. */
export interface ParcaExporterOptions extends ServerOptions {
  type: 'parca';
}

/** OpenTelemetry profiles over HTTP: a collector, or whatever else speaks that. `url` is the whole address, as `http://localhost:4318/v1development/profiles`. */
export interface OtlpExporterOptions extends ServerOptions {
  type: 'otlp';
  /** Further resource attributes. */
  resource?: Readonly<Record<string, string>> | undefined;
}

/** Any server that takes a pprof as the body of a request. */
export interface HttpExporterOptions extends ServerOptions {
  type: 'http';
  /** Default 'POST'. */
  method?: 'POST' | 'PUT' | undefined;
}

/** Where profiles go. An object with a `name` and a `send` function is an exporter of the application's own. */
export type ExporterOptions =
  | FileExporterOptions
  | PyroscopeExporterOptions
  | ParcaExporterOptions
  | OtlpExporterOptions
  | HttpExporterOptions
  | Exporter;

/** Continuous profiling, as `start()` takes it. */
export interface ContinuousOptions {
  /** Where the profile of each period goes. With none, nothing is rotated or sent by itself. */
  exporters?: readonly ExporterOptions[] | undefined;
  /** How long a period is, in milliseconds: an integer from 1,000 to 3,600,000. Default 60,000. */
  periodMs?: number | undefined;
  /** The name under which servers file the profiles. Default: OTEL_SERVICE_NAME, else the program's file name. */
  service?: string | undefined;
  /** Labels of the whole process for the servers, such as `{ region: 'eu' }`. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** What may wait for an exporter whose server does not answer. */
  queue?: QueueOptions | undefined;
  /** How long `stop()` waits for what has not arrived, in milliseconds: an integer from 0 to 3,600,000. Default 5,000. */
  stopTimeoutMs?: number | undefined;
}

/** The bounds of each exporter's queue. What is beyond them is dropped, the oldest first, and announced. */
export interface QueueOptions {
  /** Profiles: an integer from 1 to 10,000. Default 60. */
  maxProfiles?: number | undefined;
  /** Bytes of profiles: an integer from 1. Default 16 MiB. */
  maxBytes?: number | undefined;
  /** Milliseconds that a profile may wait: an integer from 1,000 to 86,400,000. Default 3,600,000: Pyroscope refuses what is older than an hour. */
  maxAgeMs?: number | undefined;
}

/** Names of the options above. */
export const CONTINUOUS_NAMES = ['exporters', 'periodMs', 'service', 'labels', 'queue', 'stopTimeoutMs'] as const;

/** The same, checked and with defaults. */
export interface ResolvedContinuous {
  readonly exporters: readonly Exporter[];
  readonly periodMs: number;
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: { readonly maxProfiles: number; readonly maxBytes: number; readonly maxAgeMs: number };
  readonly stopTimeoutMs: number;
  /** Two are equal if these are. Functions and secrets are told apart by what they are, not by how they print. */
  readonly key: readonly unknown[];
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * Checks.
 *
 * @param given the caller's object
 * @param encode makes OTLP bodies
 * @returns undefined if there is nothing to export to
 * @throws InvalidOptionError naming the option, by its path
 */
export function resolveContinuous(given: ContinuousOptions, encode: OtlpEncoder): ResolvedContinuous | undefined {
  const { exporters, periodMs, service, labels, queue, stopTimeoutMs } = given;
  if (exporters === undefined || (Array.isArray(exporters) && exporters.length === 0)) {
    for (const name of CONTINUOUS_NAMES) {
      if (name !== 'exporters' && given[name] !== undefined) throw new InvalidOptionError(name, given[name], 'absent where there are no exporters');
    }
    return undefined;
  }
  if (!Array.isArray(exporters)) throw new InvalidOptionError('exporters', exporters, 'an array');
  const bounds = record('queue', queue ?? {}, ['maxProfiles', 'maxBytes', 'maxAgeMs']);
  return {
    exporters: exporters.map((one: unknown, index) => exporterOf(one, `exporters[${index}]`, encode)),
    periodMs: integer('periodMs', periodMs, 1_000, HOUR_MS, 60_000),
    service: text('service', service) ?? defaultService(process.env),
    labels: labelsOf('labels', labels),
    limits: {
      maxProfiles: integer('queue.maxProfiles', bounds['maxProfiles'], 1, 10_000, 60),
      maxBytes: integer('queue.maxBytes', bounds['maxBytes'], 1, Number.MAX_SAFE_INTEGER, 16 * 1024 * 1024),
      maxAgeMs: integer('queue.maxAgeMs', bounds['maxAgeMs'], 1_000, DAY_MS, HOUR_MS),
    },
    stopTimeoutMs: integer('stopTimeoutMs', stopTimeoutMs, 0, HOUR_MS, 5_000),
    key: [exporters, periodMs, service, labels, queue, stopTimeoutMs],
  };
}

/** What the service is called if nobody says. */
function defaultService(env: NodeJS.ProcessEnv): string {
  const script = process.argv[1];
  return env['OTEL_SERVICE_NAME'] || (script === undefined ? 'node' : script.replace(/^.*\//, '').replace(/\.[cm]?[jt]s$/, '')) || 'node';
}

function exporterOf(given: unknown, path: string, encode: OtlpEncoder): Exporter {
  if (isExporter(given)) return given;
  const type = typeof given === 'object' && given !== null ? (given as { type?: unknown }).type : undefined;
  switch (type) {
    case 'file': {
      const { directory, maxFiles, maxBytes } = record(path, given, ['type', 'directory', 'maxFiles', 'maxBytes']);
      return new FileExporter({
        directory: resolve(required(`${path}.directory`, text(`${path}.directory`, directory), 'the path of a folder')),
        maxFiles: integer(`${path}.maxFiles`, maxFiles, 1, Number.MAX_SAFE_INTEGER, 1_000),
        maxBytes: integer(`${path}.maxBytes`, maxBytes, 1, Number.MAX_SAFE_INTEGER, 1024 * 1024 * 1024),
      });
    }
    case 'pyroscope':
      return new PyroscopeExporter(serverOf(path, given));
    case 'parca':
      return new ParcaExporter(serverOf(path, given));
    case 'otlp': {
      const { resource } = given as OtlpExporterOptions;
      return new OtlpExporter({ ...serverOf(path, given, ['resource']), resource: { 'host.name': hostname(), ...labelsOf(`${path}.resource`, resource) } }, encode);
    }
    case 'http': {
      const { method = 'POST' } = given as HttpExporterOptions;
      if (method !== 'POST' && method !== 'PUT') throw new InvalidOptionError(`${path}.method`, method, 'one of "POST", "PUT"');
      return new HttpExporter({ ...serverOf(path, given, ['method']), method });
    }
    default: {
      const allowed = 'an object whose type is "file", "pyroscope", "parca", "otlp" or "http", or one with a name and a send function';
      throw new InvalidOptionError(type === undefined ? path : `${path}.type`, type ?? given, allowed);
    }
  }
}

function isExporter(given: unknown): given is Exporter {
  const { name, send, sendSync } = (given ?? {}) as Partial<Exporter>;
  return typeof name === 'string' && typeof send === 'function' && (sendSync === undefined || typeof sendSync === 'function');
}

const SERVER_NAMES = ['type', 'url', 'timeoutMs', 'headers', 'basicAuth', 'bearerToken', 'tenant'];

function serverOf(path: string, given: unknown, extra: readonly string[] = []): HttpSettings {
  const { url, timeoutMs, headers, basicAuth, bearerToken, tenant } = record(path, given, [...SERVER_NAMES, ...extra]);
  const parsed = urlOf(`${path}.url`, url);
  const basic = basicOf(`${path}.basicAuth`, basicAuth) ?? userOf(parsed);
  const token = secret(`${path}.bearerToken`, bearerToken);
  if (basic !== undefined && token !== undefined) throw new InvalidOptionError(`${path}.bearerToken`, 'hidden', 'absent where there is a user and a password');
  parsed.username = '';
  parsed.password = '';
  return {
    url: parsed,
    timeoutMs: integer(`${path}.timeoutMs`, timeoutMs, 1, HOUR_MS, 10_000),
    headers: headersOf(`${path}.headers`, headers),
    basicAuth: basic,
    bearerToken: token,
    tenant: headerText(`${path}.tenant`, text(`${path}.tenant`, tenant)),
  };
}

function urlOf(path: string, value: unknown): URL {
  const allowed = 'an http: or https: URL';
  // Not shown: there may be a password in it.
  if (!(value instanceof URL) && (typeof value !== 'string' || !URL.canParse(value))) throw new InvalidOptionError(path, typeof value === 'string' ? 'hidden' : value, allowed);
  const url = new URL(value);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new InvalidOptionError(path, url.protocol, allowed);
  return url;
}

function userOf({ username, password }: URL): { user: string; password: string } | undefined {
  return username === '' ? undefined : { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

function basicOf(path: string, value: unknown): { user: string; password: string } | undefined {
  if (value === undefined) return undefined;
  const { user, password } = record(path, value, ['user', 'password']);
  return { user: required(`${path}.user`, text(`${path}.user`, user), 'a string'), password: required(`${path}.password`, secret(`${path}.password`, password), 'a string') };
}

function headersOf(path: string, value: unknown): Record<string, string> {
  const headers = labelsOf(path, value);
  for (const [name, one] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/.test(name)) throw new InvalidOptionError(path, name, 'an object whose names are those of headers');
    if (/^(content-length|transfer-encoding|connection|host)$/i.test(name)) throw new InvalidOptionError(`${path}.${name}`, 'hidden', 'left to the exporter');
    headerText(`${path}.${name}`, one);
  }
  return headers;
}

/** What may stand in a header. Its value is not shown. */
function headerText(path: string, value: string | undefined): string | undefined {
  if (value !== undefined && /[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new InvalidOptionError(path, 'hidden', 'a string that a header can hold');
  return value;
}

function secret(path: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw new InvalidOptionError(path, typeof value === 'string' ? value : 'hidden', 'a string that is not empty');
  return headerText(path, value);
}

function labelsOf(path: string, value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidOptionError(path, value, 'an object of strings');
  for (const [name, one] of Object.entries(value)) {
    if (typeof one !== 'string') throw new InvalidOptionError(`${path}.${name}`, one, 'a string');
  }
  return { ...(value as Record<string, string>) };
}

function record(path: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidOptionError(path, value, 'an object');
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw unknownOption(name, 'hidden', known);
  }
  return value as Record<string, unknown>;
}

function text(path: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw new InvalidOptionError(path, value, 'a string that is not empty');
}

function required<T>(path: string, value: T | undefined, allowed: string): T {
  if (value === undefined) throw new InvalidOptionError(path, value, allowed);
  return value;
}

function integer(path: string, value: unknown, min: number, max: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw new InvalidOptionError(path, value, `an integer from ${min.toLocaleString('en-US')} to ${max.toLocaleString('en-US')}`);
}
