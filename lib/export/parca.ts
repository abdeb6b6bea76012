/**
 * Sends profiles to Parca: `POST /api/profiles/writeraw`, JSON with the pprof in base64 (facts: Parca v0.28.0). The series is called `pronghorn`; its
 * sample types are the profile's, so a query reads `pronghorn:cpu:nanoseconds:cpu:nanoseconds:delta{job="…"}`.
 */
import type { Exporter, Report, Sent } from './exporter.js';
import { labelName } from './pyroscope.js';
import { type HttpSettings, HttpTarget, seriesLabels } from './target.js';

/** See the module documentation. */
export class ParcaExporter implements Exporter {
  readonly name = 'parca';
  readonly #target: HttpTarget;

  constructor(settings: HttpSettings) {
    this.#target = new HttpTarget(this.name, settings);
  }

  send(report: Report, signal: AbortSignal): Promise<Sent> {
    const labels = { __name__: 'pronghorn', job: report.service, ...seriesLabels(report) };
    const { data } = report.profile;
    const series = {
      labels: { labels: Object.entries(labels).map(([name, value]) => ({ name: labelName(name), value })) },
      samples: [{ rawProfile: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') }],
    };
    const body = Buffer.from(JSON.stringify({ series: [series] }));
    return this.#target.send({ url: this.#target.url('/api/profiles/writeraw'), headers: { 'Content-Type': 'application/json' }, body }, signal);
  }
}
