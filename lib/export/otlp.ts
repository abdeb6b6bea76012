/**
 * Sends profiles as OpenTelemetry profiles over HTTP. The body is encoded in Rust, off this thread (lib/otlp-encoder.ts).
 */
import { grouped } from '../grouped.js';
import type { OtlpAttribute, OtlpOptions } from '../native-api.js';
import { MessageReader } from '../pprof/protobuf.js';
import type { Exporter, Report, Sent } from './exporter.js';
import { slices } from './slices.js';
import { type HttpSettings, HttpTarget } from './target.js';

/** Makes the body of a request from a pprof. */
export type OtlpEncoder = (data: Uint8Array, options: OtlpOptions) => Promise<Uint8Array>;

/** How it is sent. */
export interface OtlpSettings extends HttpSettings {
  /** Resource attributes besides those of the process. */
  readonly resource: Readonly<Record<string, string>>;
  readonly gzip: boolean;
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
  readonly #settings: OtlpSettings;
  readonly #target: HttpTarget;
  readonly #encode: OtlpEncoder;

  constructor(settings: OtlpSettings, encode: OtlpEncoder) {
    this.#settings = settings;
    this.#target = new HttpTarget(this.name, settings, { mayRetry: (status) => RETRYABLE.has(status), rejection });
    this.#encode = encode;
  }

  async send(report: Report, signal: AbortSignal): Promise<Sent> {
    // Not imported: that would cost every program 1.5 MB (Node 26).
    const { gzip } = this.#settings;
    const { randomBytes } = process.getBuiltinModule('node:crypto');
    const profileIds = Array.from({ length: PROFILES }, () => randomBytes(ID_BYTES));
    const body = await this.#encode(report.profile.data, { resource: this.#attributes(report), profileIds, gzip });
    const headers = { 'Content-Type': 'application/x-protobuf', ...(gzip ? { 'Content-Encoding': 'gzip' } : {}) };
    return this.#target.send({ url: this.#target.url(''), headers, body: slices(body) }, signal);
  }

  #attributes({ profile, service, labels }: Report): OtlpAttribute[] {
    const ours = {
      'service.name': service,
      'service.instance.id': profile.runtimeId,
      'process.pid': profile.processId,
      'process.runtime.name': 'nodejs',
      'process.runtime.version': process.versions.node,
    };
    return Object.entries({ ...ours, ...this.#settings.resource, ...labels }).map(([key, value]) => ({ key, value }));
  }
}

/**
 * What a partial success says: `ExportProfilesServiceResponse { partial_success = 1 { rejected_profiles = 1; error_message = 2 } }`. The protocol forbids to send
 * it again. A server that has no objection answers with an empty message, or warns without rejecting anything.
 *
 * @param isCut whether it is only the beginning of the answer
 */
function rejection(answer: Buffer, isCut: boolean): string | undefined {
  try {
    for (const response = new MessageReader(answer); response.next(); ) {
      if (response.field !== 1) response.skip();
      else return rejected(response.message());
    }
  } catch {
    // A message that is longer than anybody reads can only be an objection. Anything else is none: some proxies answer in words.
    if (isCut && answer[0] === PARTIAL_SUCCESS) return `the reason is longer than ${grouped(answer.length)} bytes`;
  }
  return undefined;
}

/** The first byte of an answer with a partial success: field 1, with its length. No text begins with it but an empty line. */
const PARTIAL_SUCCESS = 0x0a;

function rejected(partial: MessageReader): string | undefined {
  let [count, message]: [number, string] = [0, ''];
  while (partial.next()) {
    if (partial.field === 1) count = partial.signed();
    else if (partial.field === 2) message = partial.string();
    else partial.skip();
  }
  return count === 0 ? undefined : `${count} profiles rejected: ${message}`;
}
