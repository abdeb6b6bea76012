/**
 * Sends the pprof itself to any HTTP server: POST or PUT, one request for each profile, with its metadata in headers.
 */
import type { Exporter, Report, Sent } from './exporter.js';
import { slices } from './slices.js';
import { type HttpSettings, HttpTarget } from './target.js';

/** See the module documentation. */
export class HttpExporter implements Exporter {
  readonly name = 'http';
  readonly #method: 'POST' | 'PUT';
  readonly #target: HttpTarget;

  constructor(settings: HttpSettings & { readonly method: 'POST' | 'PUT' }) {
    this.#method = settings.method;
    this.#target = new HttpTarget(this.name, settings);
  }

  send({ profile, service, labels }: Report, signal: AbortSignal): Promise<Sent> {
    const headers = {
      'Content-Type': 'application/octet-stream',
      'X-Pronghorn-Service': encodeURIComponent(service),
      'X-Pronghorn-Labels': new URLSearchParams(labels).toString(),
      'X-Pronghorn-Start': profile.startTime.toISOString(),
      'X-Pronghorn-End': profile.endTime.toISOString(),
      'X-Pronghorn-Process-Id': String(profile.processId),
      'X-Pronghorn-Runtime-Id': profile.runtimeId,
      'X-Pronghorn-Sequence': String(profile.sequence),
    };
    return this.#target.send({ method: this.#method, url: this.#target.url(''), headers, body: slices(profile.data) }, signal);
  }
}
