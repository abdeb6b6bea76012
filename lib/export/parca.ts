/**
 * Sends profiles to Parca: `POST /api/profiles/writeraw`, JSON with the pprof in base64 (facts: Parca v0.28.0). The series is called `pronghorn`; its
 * sample types are the profile's, so a query reads `pronghorn:cpu:nanoseconds:cpu:nanoseconds:delta{job="…"}`.
 *
 * Parca drops the labels of samples, so what tells processes apart stands in the series. Threads are not told apart there.
 */
import type { Exporter, Report, Sent } from './exporter.js';
import { seriesLabels } from './series.js';
import { base64Slices } from './slices.js';
import { type HttpSettings, HttpTarget } from './target.js';

/** What stands in the JSON where the profile goes. */
const PLACE = '@';

/** See the module documentation. */
export class ParcaExporter implements Exporter {
  readonly name = 'parca';
  readonly #target: HttpTarget;

  constructor(settings: HttpSettings) {
    this.#target = new HttpTarget(this.name, settings);
  }

  async send(report: Report, signal: AbortSignal): Promise<Sent> {
    const labels = { job: report.service, ...seriesLabels(report), __name__: 'pronghorn' };
    const pairs = Object.entries(labels).map(([name, value]) => ({ name, value }));
    const [head, tail] = around({ series: [{ labels: { labels: pairs }, samples: [{ rawProfile: PLACE }] }] });
    const body = [head, ...(await base64Slices(report.profile.data)), tail];
    return this.#target.send({ url: this.#target.url('/api/profiles/writeraw'), headers: { 'Content-Type': 'application/json' }, body }, signal);
  }
}

/** The JSON before and after the last place. */
function around(request: unknown): [Buffer, Buffer] {
  const json = JSON.stringify(request);
  const at = json.lastIndexOf(PLACE);
  return [Buffer.from(json.slice(0, at)), Buffer.from(json.slice(at + PLACE.length))];
}
