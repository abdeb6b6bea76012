/**
 * Sends profiles to Grafana Pyroscope: `POST /ingest`, the pprof as the field `profile` of a form (facts: Pyroscope's sources up to v2.2.1,
 * pkg/og/ingestion and pkg/ingester/pyroscope). `format` is left out: with it the whole body would be taken for a pprof.
 */
import type { Exporter, Report, Sent } from './exporter.js';
import { randomId } from '../random-id.js';
import { PYROSCOPE_AGE_MS, seriesLabels } from './series.js';
import { slices } from './slices.js';
import { type HttpSettings, HttpTarget, unixSeconds } from './target.js';

/** See the module documentation. */
export class PyroscopeExporter implements Exporter {
  readonly name = 'pyroscope';
  readonly longestAgeMs = PYROSCOPE_AGE_MS;
  readonly #target: HttpTarget;

  constructor(settings: HttpSettings) {
    this.#target = new HttpTarget(this.name, settings);
  }

  send(report: Report, signal: AbortSignal): Promise<Sent> {
    const { profile } = report;
    const url = this.#target.url('/ingest', {
      name: seriesName(report),
      from: unixSeconds(profile.startTimeNanos),
      // A period of less than a second must not end where it begins.
      until: unixSeconds(profile.endTimeNanos + 999_999_999n),
      spyName: 'pronghorn',
    });
    const boundary = `pronghorn-${randomId()}`;
    const body = [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="profile"; filename="profile.pb.gz"\r\nContent-Type: application/octet-stream\r\n\r\n`),
      ...slices(profile.data),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ];
    return this.#target.send({ url, headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` }, body }, signal);
  }
}

/** The name of the series: `service{label=value,…}`. Any other character in the service than these is refused. */
function seriesName(report: Report): string {
  const labels = Object.entries(seriesLabels(report)).map(([name, value]) => `${name}=${labelValue(value)}`);
  return `${report.service.replace(/[^\w./-]/g, '_')}{${labels.join(',')}}`;
}

/** Without the characters that have a meaning in a series' name. */
function labelValue(value: string): string {
  return value.replace(/[{}=,"\p{C}]/gu, '_');
}
