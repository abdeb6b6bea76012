/**
 * Sends profiles as OpenTelemetry profiles over HTTP. The body is encoded in Rust, off this thread (lib/otlp-encoder.ts).
 */
import type { OtlpAttribute, OtlpOptions } from '../native-api.js';
import type { Exporter, Report, Sent } from './exporter.js';
import { type HttpSettings, HttpTarget } from './target.js';

/** Makes the body of a request from a pprof. */
export type OtlpEncoder = (data: Uint8Array, options: OtlpOptions) => Promise<Uint8Array>;

/** How it is sent. */
export interface OtlpSettings extends HttpSettings {
  /** Resource attributes besides those of the process. */
  readonly resource: Readonly<Record<string, string>>;
}

/** Bytes of a profile's id. */
const ID_BYTES = 16;
/** Sample types of a profile: samples, cpu and wall. */
const PROFILES = 3;

/** The only answers after which the protocol lets a client try again (opentelemetry-proto, OTLP/HTTP: failures). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** See the module documentation. */
export class OtlpExporter implements Exporter {
  readonly name = 'otlp';
  readonly #resource: Readonly<Record<string, string>>;
  readonly #target: HttpTarget;
  readonly #encode: OtlpEncoder;

  constructor(settings: OtlpSettings, encode: OtlpEncoder) {
    this.#resource = settings.resource;
    this.#target = new HttpTarget(this.name, settings, (status) => RETRYABLE.has(status));
    this.#encode = encode;
  }

  async send(report: Report, signal: AbortSignal): Promise<Sent> {
    // Not imported: that would cost every program 1.5 MB (Node 26).
    const { randomBytes } = process.getBuiltinModule('node:crypto');
    const profileIds = Array.from({ length: PROFILES }, () => randomBytes(ID_BYTES));
    const body = await this.#encode(report.profile.data, { resource: this.#attributes(report), profileIds, gzip: true });
    const headers = { 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'gzip' };
    return this.#target.send({ url: this.#target.url(''), headers, body }, signal);
  }

  #attributes({ profile, service, labels }: Report): OtlpAttribute[] {
    const ours = {
      'service.name': service,
      'service.instance.id': profile.runtimeId,
      'process.pid': profile.processId,
      'process.runtime.name': 'nodejs',
      'process.runtime.version': process.versions.node,
    };
    return Object.entries({ ...ours, ...this.#resource, ...labels }).map(([key, value]) => ({ key, value }));
  }
}
