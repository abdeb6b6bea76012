/**
 * Checks the options of continuous profiling, before anything begins, and makes the exporters.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { InvalidOptionError } from '../errors.js';
import { numberOf } from '../object-numbers.js';
import { HIDDEN, HOUR_MS, integer, record, required, text, texts } from './check.js';
import { containerId } from './container.js';
import type { Exporter } from './exporter.js';
import { FileExporter } from './file.js';
import { HttpExporter } from './http.js';
import { CONTINUOUS_NAMES, type ContinuousOptions, DEFAULT_PERIOD_MS } from './options.js';
import { type Env, otelDisabled, type OtelResource, otelResource, otelTarget } from './otel.js';
import { OtlpExporter, type OtlpEncoder } from './otlp.js';
import { ParcaExporter } from './parca.js';
import { PyroscopeExporter } from './pyroscope.js';
import { checkSeries } from './series.js';
import { serverOf } from './server.js';

/** The options, checked and with defaults. */
export interface ResolvedContinuous {
  readonly exporters: readonly Exporter[];
  readonly periodMs: number;
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: { readonly maxProfiles: number; readonly maxBytes: number; readonly maxAgeMs: number };
  readonly stopTimeoutMs: number;
  /** Two are equal if these are. Only ever compared: secrets stand in it. */
  readonly key: readonly unknown[];
  /** What does not keep it from running, and people should know: sentences. */
  readonly problems: readonly string[];
}

/** What exporters need of the process. */
export interface ExporterTools {
  readonly env: Env;
  /** Makes OTLP bodies. */
  readonly encodeOtlp: OtlpEncoder;
  /** Whether libuv's thread pool works. */
  hasThreadPool(): boolean;
}

const DAY_MS = 86_400_000;

/**
 * Checks.
 *
 * @param given the caller's object
 * @returns undefined if there is nothing to export to
 * @throws InvalidOptionError naming the option, by its path
 */
export function resolveContinuous(given: ContinuousOptions, tools: ExporterTools): ResolvedContinuous | undefined {
  const { exporters, queue } = given;
  if (exporters === undefined || (Array.isArray(exporters) && exporters.length === 0)) {
    for (const name of CONTINUOUS_NAMES) {
      if (name !== 'exporters' && given[name] !== undefined) throw new InvalidOptionError(name, given[name], 'absent where there are no exporters');
    }
    return undefined;
  }
  if (!Array.isArray(exporters)) throw new InvalidOptionError('exporters', typeof exporters === 'string' ? HIDDEN : exporters, 'an array');
  const otel = otelResource(tools.env);
  const bounds = record('queue', queue ?? {}, ['maxProfiles', 'maxBytes', 'maxAgeMs']);
  const rest = {
    periodMs: integer('periodMs', given.periodMs, 1_000, HOUR_MS, DEFAULT_PERIOD_MS),
    service: text('service', given.service) ?? otel.service ?? programName(),
    labels: labelsOf(given.labels),
    limits: {
      maxProfiles: integer('queue.maxProfiles', bounds['maxProfiles'], 1, 10_000, 60),
      maxBytes: integer('queue.maxBytes', bounds['maxBytes'], 1, Number.MAX_SAFE_INTEGER, 16 * 1024 * 1024),
      maxAgeMs: integer('queue.maxAgeMs', bounds['maxAgeMs'], 1_000, DAY_MS, HOUR_MS),
    },
    stopTimeoutMs: integer('stopTimeoutMs', given.stopTimeoutMs, 0, HOUR_MS, 5_000),
  };
  const made = exporters.map((one: unknown, index) => ({ one, exporter: exporterOf(one, `exporters[${index}]`, tools, otel) }));
  for (const { one } of made) checkSeries(typeOf(one), rest);
  const isOff = otelDisabled(tools.env) && made.some(({ one }) => typeOf(one) === 'otlp');
  return {
    exporters: made.filter(({ one }) => !isOff || typeOf(one) !== 'otlp').map(({ exporter }) => exporter),
    ...rest,
    key: [exporters.map(keyOf), sorted(rest)],
    problems: [
      ...(otel.problem === undefined ? [] : [otel.problem]),
      ...(isOff ? ['the otlp exporter sends nothing, since OTEL_SDK_DISABLED is true'] : []),
    ],
  };
}

/** What the service is called if nobody says. */
function programName(): string {
  const name = process.argv[1]?.replace(/^.*\//, '').replace(/\.[cm]?[jt]s$/, '');
  return name || 'node';
}

/** Labels go to servers under names of their own, some of which begin with two underscores. */
function labelsOf(value: unknown): Record<string, string> {
  const labels = texts('labels', value);
  for (const name of Object.keys(labels)) {
    if (name === '' || name.startsWith('__')) throw new InvalidOptionError('labels', name, 'an object whose names are not empty and do not begin with two underscores');
  }
  return labels;
}

/** The kind of an exporter of ours; undefined of any other. */
function typeOf(given: unknown): unknown {
  return typeof given === 'object' && given !== null && !isExporter(given) ? (given as { type?: unknown }).type : undefined;
}

function exporterOf(given: unknown, path: string, tools: ExporterTools, otel: OtelResource): Exporter {
  if (isExporter(given)) return given;
  const type = typeOf(given);
  switch (type) {
    case 'file':
      return fileOf(path, given, tools);
    case 'pyroscope':
      return new PyroscopeExporter(serverOf(path, given));
    case 'parca':
      return new ParcaExporter(serverOf(path, given));
    case 'otlp':
      return otlpOf(path, given as Record<string, unknown>, tools, otel);
    case 'http': {
      const { method = 'POST' } = given as { method?: unknown };
      if (method !== 'POST' && method !== 'PUT') throw new InvalidOptionError(`${path}.method`, method, 'one of "POST", "PUT"');
      return new HttpExporter({ ...serverOf(path, given, ['method']), method });
    }
    default: {
      const allowed = 'an object whose type is "file", "pyroscope", "parca", "otlp" or "http", or one with a name and a send function';
      // A string may be a URL, with a password in it.
      throw new InvalidOptionError(type === undefined ? path : `${path}.type`, type ?? (typeof given === 'string' ? HIDDEN : given), allowed);
    }
  }
}

function isExporter(given: unknown): given is Exporter {
  const { name, send, sendSync } = (given ?? {}) as Partial<Exporter>;
  return typeof name === 'string' && typeof send === 'function' && (sendSync === undefined || typeof sendSync === 'function');
}

function fileOf(path: string, given: unknown, { hasThreadPool }: ExporterTools): Exporter {
  const { directory, maxFiles, maxBytes } = record(path, given, ['type', 'directory', 'maxFiles', 'maxBytes']);
  const settings = {
    directory: resolve(required(`${path}.directory`, text(`${path}.directory`, directory), 'the path of a folder')),
    maxFiles: integer(`${path}.maxFiles`, maxFiles, 1, Number.MAX_SAFE_INTEGER, 1_000),
    maxBytes: integer(`${path}.maxBytes`, maxBytes, 1, Number.MAX_SAFE_INTEGER, 1024 * 1024 * 1024),
  };
  return new FileExporter(settings, hasThreadPool);
}

/** An address of its own stands for itself: nothing that is meant for another server, a token least of all, goes there. */
function otlpOf(path: string, given: Record<string, unknown>, { env, encodeOtlp }: ExporterTools, otel: OtelResource): Exporter {
  const { gzip, ...target } = given['url'] === undefined ? otelTarget(env) : { gzip: true };
  const headers = { ...('headers' in target ? target.headers : {}), ...texts(`${path}.headers`, given['headers'], { shows: false }) };
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const server = serverOf(path, { ...target, ...defined, headers }, ['resource']);
  const id = containerId();
  const resource = { 'host.name': hostname(), ...(id === undefined ? {} : { 'container.id': id }), ...otel.attributes, ...texts(`${path}.resource`, given['resource']) };
  return new OtlpExporter({ ...server, resource, gzip }, encodeOtlp);
}

/** An exporter of the application's own is equal to itself alone. */
function keyOf(exporter: unknown): unknown {
  return isExporter(exporter) ? numberOf(exporter) : sorted(exporter);
}

/** The same whatever the order in which properties were written. */
function sorted(value: unknown): unknown {
  if (value instanceof URL) return value.href;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name, sorted(one)]);
}
