/**
 * The labels of a series, by which Pyroscope and Parca tell processes apart: which process a profile is from, and those of the caller, by names that Prometheus takes.
 */
import { InvalidOptionError } from '../errors.js';
import { grouped } from '../grouped.js';
import type { Report } from './exporter.js';

/** How old a profile may be for Pyroscope, counted from its start, in milliseconds. */
export const PYROSCOPE_AGE_MS = 3_600_000;
/** Longer periods are as good as over that when they end: delivery takes its time, too. */
const PYROSCOPE_PERIOD_MS = 3_540_000;
/** Names that a series may have for Pyroscope as it is delivered. */
const PYROSCOPE_NAMES = 30;
/** Of those, what it adds itself (`__name__`, `__delta__`, `service_name`, `pyroscope_spy`), and what we do: process, runtime id, cluster worker. */
const OTHER_NAMES = 7;

/** Labels that every profile of a process carries to its server, by names that it takes: which process it is, and the caller's, which come last and win. */
export function seriesLabels({ labels, profile }: Report): Record<string, string> {
  const all = { process_id: String(profile.processId), runtime_id: profile.runtimeId, ...labels };
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [labelName(name), value]));
}

/**
 * What would be refused, or lost, with each profile is an error at the start.
 *
 * @param type the kind of exporter
 * @throws InvalidOptionError
 */
export function checkSeries(type: unknown, { labels, periodMs }: { readonly labels: Readonly<Record<string, string>>; readonly periodMs: number }): void {
  if (type !== 'pyroscope' && type !== 'parca') return;
  const taken = new Map<string, string>();
  for (const name of Object.keys(labels)) {
    const other = taken.get(labelName(name));
    if (other !== undefined) throw new InvalidOptionError('labels', name, `an object whose names differ also as ${type} writes them`, `labels.${other} and labels.${name} are both called ${labelName(name)} for ${type}: give one of them another name`);
    taken.set(labelName(name), name);
  }
  if (type !== 'pyroscope') return;
  const most = PYROSCOPE_NAMES - OTHER_NAMES;
  if (taken.size > most) throw new InvalidOptionError('labels', `${taken.size} labels`, `at most ${most} for pyroscope`);
  if (periodMs > PYROSCOPE_PERIOD_MS) throw new InvalidOptionError('periodMs', periodMs, `at most ${grouped(PYROSCOPE_PERIOD_MS)} for pyroscope, which refuses what has begun more than an hour ago`);
}

/** What Prometheus takes for the name of a label. Those that begin with two underscores are the servers' own. */
function labelName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^_{2,}/, '_').replace(/^(?=\d)|^$/, '_');
}
