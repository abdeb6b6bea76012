// Whether what pronghorn costs grows: with depth, threads and functions, and over an hour's rotations of a program that grows meanwhile. pronghorn alone.
import { median } from '../runner/statistics.mjs';
import { number } from '../runner/format.mjs';
import { markdownTable } from '../runner/markdown.mjs';

export const names = [];

/** An hour of rotations each ten seconds; each period is made short, since what it holds matters and not how long it was. */
const TIME = { value: 360, ms: 25, functionsEach: 100 };
const SERIES = {
  depth: { values: [10, 30, 100, 300, 1_000], title: 'depth of the stack', ms: 1_500 },
  threads: { values: [1, 4, 16, 64], title: 'busy threads', ms: 2_500 },
  functions: { values: [1_000, 10_000, 100_000], title: 'functions', ms: 2_000 },
};

export function cells({ majors, quick }) {
  const list = [];
  for (const major of majors) {
    for (const [what, { values, ms }] of Object.entries(SERIES)) {
      const wanted = quick ? [values[0], values.at(-1)] : values;
      for (const value of wanted) list.push({ major, contender: 'pronghorn', round: 0, program: 'growth', settings: { what, value, ms: quick ? 300 : ms } });
    }
    list.push({ major, contender: 'pronghorn', round: 0, program: 'growth', settings: { what: 'time', ...TIME, ...(quick ? { value: 20 } : {}) } });
  }
  return list;
}

function seriesTable(what, title, results) {
  const rows = results
    .filter(({ cell }) => cell.settings.what === what)
    .map(({ cell, result: { failure, handlerP50, handlerP99, ownPerSample, resolveMax, samplesPerCpuSecond } }) => {
      const row = [`Node ${cell.major}`, cell.settings.value.toLocaleString('en')];
      if (failure !== undefined) return row.concat(failure, '', '', '', '');
      return row.concat(number(handlerP50, 1), number(handlerP99, 1), number(ownPerSample, 1), number(resolveMax), number(samplesPerCpuSecond, 0));
    });
  return markdownTable(['', title, 'handler, median µs', 'handler, p99 µs', 'all paths a sample, µs', 'longest resolving, ms', 'samples per second of CPU time'], rows);
}

/** The first and the last tenth of the hour. */
function timeTable(results) {
  const rows = results
    .filter(({ cell }) => cell.settings.what === 'time')
    .map(({ cell, result }) => {
      if (result.failure !== undefined) return [`Node ${cell.major}`, result.failure, '', '', '', ''];
      const tenth = Math.max(1, Math.floor(result.periods.length / 10));
      const [early, late] = [result.periods.slice(tenth, 2 * tenth), result.periods.slice(-tenth)];
      const both = (key, digits) => [early, late].map((part) => number(median(part.map((period) => period[key])), digits)).join(' → ');
      return [`Node ${cell.major}`, `${result.periods.length}`, both('pause'), both('bytes', 0), both('memory', 1), String(result.lost)];
    });
  return markdownTable(['', 'rotations', 'longest turn, CPU ms', 'bytes of a profile', 'resident, MiB', 'lost samples'], rows);
}

export function report(results) {
  const tables = Object.entries(SERIES).map(([what, { title }]) => seriesTable(what, title, results));
  return { metrics: [], sections: [{ title: 'Growth', text: ['Depth and functions at 1 kHz, threads at 100 Hz.', ...tables, 'An hour of rotations, one each ten seconds, simulated: the second tenth → the last tenth. The program gets 100 functions more in each period.', timeTable(results)] }] };
}
