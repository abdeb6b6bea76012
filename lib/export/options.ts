/**
 * The options of continuous profiling: what `start()` takes beside how to profile. All of them can be set by environment variables, too (variables.ts).
 */
import type { Exporter } from './exporter.js';

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
  /** Path of a PEM file with the certificates that vouch for the server, instead of those that Node trusts by itself. Read at the start. https: only, as the next two. */
  caFile?: string | undefined;
  /** Path of a PEM file with the certificate by which the server knows the client. */
  clientCertificateFile?: string | undefined;
  /** Path of a PEM file with the private key of that, not encrypted. */
  clientKeyFile?: string | undefined;
}

/** Grafana Pyroscope. */
export interface PyroscopeExporterOptions extends ServerOptions {
  type: 'pyroscope';
}

/** Parca. */
export interface ParcaExporterOptions extends ServerOptions {
  type: 'parca';
}

/**
 * OpenTelemetry profiles over HTTP: a collector, or whatever else speaks that. `url` is the whole address, as `http://localhost:4318/v1development/profiles`.
 * Without it address, headers, timeout, certificates, protocol and compression are those of the variables OTEL_EXPORTER_OTLP_…, or their defaults.
 */
export interface OtlpExporterOptions extends Omit<ServerOptions, 'url'> {
  type: 'otlp';
  url?: string | URL | undefined;
  /** Further resource attributes, besides those of OTEL_RESOURCE_ATTRIBUTES. */
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
  /** The name under which servers file the profiles. Default: OTEL_SERVICE_NAME, else service.name of OTEL_RESOURCE_ATTRIBUTES, else the program's file name. */
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

/** A period's length if nobody says otherwise, in milliseconds. */
export const DEFAULT_PERIOD_MS = 60_000;

/** Names of the options above. */
export const CONTINUOUS_NAMES = ['exporters', 'periodMs', 'service', 'labels', 'queue', 'stopTimeoutMs'] as const;
