/**
 * The environment variables of OpenTelemetry, as its specification has them ("OpenTelemetry Protocol Exporter", "Environment Variable Specification"): one for all
 * signals, and one for profiles, which wins. An empty one counts as not set.
 */
import { InvalidOptionError } from '../errors.js';
import { grouped } from '../grouped.js';
import { CERTIFICATE_NAMES, type CertificateFiles, secureContext } from './certificates.js';
import { HIDDEN, HOUR_MS } from './check.js';

/** Environment variables. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Where profiles go below an address that is meant for all signals. */
const PATH = '/v1development/profiles';
const DEFAULT_ENDPOINT = 'http://localhost:4318';

/** What they say of where and how to send. */
export interface OtelTarget extends CertificateFiles {
  url: string;
  headers: Record<string, string>;
  timeoutMs?: number;
  gzip: boolean;
}

/**
 * Reads them.
 *
 * @throws InvalidOptionError naming the variable; what it holds is shown where it cannot be a secret
 */
export function otelTarget(env: Env): OtelTarget {
  const [protocol, protocolName] = ofProfiles(env, 'PROTOCOL');
  if (protocol !== undefined && protocol !== 'http/protobuf') {
    const message = `${protocolName} is ${JSON.stringify(protocol.slice(0, 40))}, and pronghorn speaks http/protobuf only: set OTEL_EXPORTER_OTLP_PROFILES_PROTOCOL=http/protobuf, and OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT to an address that takes it`;
    throw new InvalidOptionError(protocolName, protocol, '"http/protobuf"', message);
  }
  const [timeout, timeoutName] = ofProfiles(env, 'TIMEOUT');
  const [compression, compressionName] = ofProfiles(env, 'COMPRESSION');
  if (compression !== undefined && compression !== 'gzip' && compression !== 'none') throw new InvalidOptionError(compressionName, compression, 'gzip or none');
  const url = endpoint(env);
  return {
    url,
    // Headers of both, as the specification does not say that those of one signal replace the others: a token for all holds here, too.
    headers: { ...pairs('OTEL_EXPORTER_OTLP_HEADERS', env), ...pairs('OTEL_EXPORTER_OTLP_PROFILES_HEADERS', env) },
    ...(timeout === undefined ? {} : { timeoutMs: milliseconds(timeoutName, timeout) }),
    gzip: compression !== 'none',
    // They may be meant for another signal's address: where this one is http: they say nothing.
    ...(new URL(url).protocol === 'https:' ? certificates(env) : {}),
  };
}

/** Checked here, too, so that an error names the variable. */
function certificates(env: Env): CertificateFiles {
  const names = Object.keys(CERTIFICATE_NAMES) as (keyof CertificateFiles)[];
  const variables = names.map((name) => [name, ofProfiles(env, CERTIFICATE_NAMES[name])] as const);
  const files = Object.fromEntries(variables.flatMap(([name, [path]]) => (path === undefined ? [] : [[name, path]]))) as CertificateFiles;
  const variable = Object.fromEntries(variables.map(([name, [, from]]) => [name, from])) as Record<keyof CertificateFiles, string>;
  secureContext(files, (name) => variable[name]);
  return files;
}

/** What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say. */
export interface OtelResource {
  /** What the service is called. */
  readonly service: string | undefined;
  /** All others. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Why nothing of OTEL_RESOURCE_ATTRIBUTES counts: a sentence for people. */
  readonly problem: string | undefined;
}

/** Reads them. A list with an error in it is discarded as a whole, and reported, as the specification of the resource demands: nobody's profiling is to fail by it. */
export function otelResource(env: Env): OtelResource {
  const named = env['OTEL_SERVICE_NAME'] || undefined;
  try {
    const { 'service.name': service, ...attributes } = pairs('OTEL_RESOURCE_ATTRIBUTES', env);
    return { service: named ?? (service || undefined), attributes, problem: undefined };
  } catch {
    return { service: named, attributes: {}, problem: 'OTEL_RESOURCE_ATTRIBUTES is ignored: it must be a list key=value,key=value with percent-encoded values' };
  }
}

/** Whether OTEL_SDK_DISABLED says that nothing is to be sent. Any other value than "true" means no, as the specification says. */
export function otelDisabled(env: Env): boolean {
  return env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true';
}

/**
 * A list `key=value,…` with percent-encoded keys and values, as in W3C baggage.
 *
 * @throws InvalidOptionError; never shows what stands in it
 */
export function pairs(name: string, env: Env): Record<string, string> {
  const all: [string, string][] = [];
  for (const pair of (env[name] ?? '').split(',')) {
    if (pair.trim() === '') continue;
    const at = pair.indexOf('=');
    try {
      if (at < 1) throw new Error('no key');
      all.push([decodeURIComponent(pair.slice(0, at).trim()), decodeURIComponent(pair.slice(at + 1).trim())]);
    } catch {
      throw new InvalidOptionError(name, HIDDEN, 'a list key=value,key=value with percent-encoded values');
    }
  }
  return Object.fromEntries(all);
}

function endpoint(env: Env): string {
  const own = env['OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT'];
  const common = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const [name, url] = own ? ['OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT', own] : ['OTEL_EXPORTER_OTLP_ENDPOINT', common || DEFAULT_ENDPOINT];
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new InvalidOptionError(name, HIDDEN, 'an http: or https: URL');
  if (own) return url;
  const parsed = new URL(url);
  parsed.pathname = `${parsed.pathname.replace(/\/+$/, '')}${PATH}`;
  return parsed.href;
}

/** The value of one of two variables, and which it is from. */
function ofProfiles(env: Env, what: string): [string | undefined, string] {
  const own = `OTEL_EXPORTER_OTLP_PROFILES_${what}`;
  const common = `OTEL_EXPORTER_OTLP_${what}`;
  return env[own] ? [env[own], own] : [env[common] || undefined, common];
}

function milliseconds(name: string, value: string): number {
  const number = /^\d{1,9}$/.test(value.trim()) ? Number(value) : 0;
  if (number >= 1 && number <= HOUR_MS) return number;
  throw new InvalidOptionError(name, value, `milliseconds: an integer from 1 to ${grouped(HOUR_MS)}`);
}
