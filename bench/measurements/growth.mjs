// Whether what pronghorn costs grows: with depth, threads and functions, and over an hour's rotations of a program that grows meanwhile, with and without pronghorn.
import { median } from '../runner/statistics.mjs';
import { number, percent } from '../runner/format.mjs';
import { markdownTable } from '../runner/markdown.mjs';
import { goal } from '../runner/metric.mjs';

export const names = [];

/** An hour of rotations each ten seconds; each period is made short, since what it holds matters and not how long it was. */
const TIME = { value: 360, ms: 25, functionsEach: 100 };
/** What V8's own threads leave in the allocator differs by ten MiB from run to run. */
const TIME_FLAGS = ['--single-threaded'];
const TIME_ROUNDS = 2;
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
    for (let round = 0; round < (quick ? 1 : TIME_ROUNDS); round++) {
      for (const contender of ['nothing', 'pronghorn']) {
        const settings = { what: 'time', ...TIME, isProfiled: contender === 'pronghorn', ...(quick ? { value: 20 } : {}) };
        list.push({ major, contender, round, program: 'growth', settings, flags: TIME_FLAGS });
      }
    }
  }
  return list;
}

function seriesTable(what, title, results) {
  const rows = results
    .filter(({ cell }) => cell.settings.what === what)
    .map(({ cell, result: { failure, handlerP50, handlerP99, ownPerSample, ownShare, resolveMax, samplesPerCpuSecond } }) => {
      const row = [`Node ${cell.major}`, cell.settings.value.toLocaleString('en')];
      if (failure !== undefined) return row.concat(failure, '', '', '', '', '');
      return row.concat(number(handlerP50, 1), number(handlerP99, 1), number(ownPerSample, 1), percent(ownShare, 2), number(resolveMax), number(samplesPerCpuSecond, 0));
    });
  return markdownTable(['', title, 'handler, median µs', 'handler, p99 µs', 'all paths a sample, µs', 'of the CPU time', 'longest resolving, ms', 'samples per second of CPU time'], rows);
}

/** The hours of a contender as one: all their periods, and the medians of what it had in memory. */
function hourOf(results, major, contender) {
  const own = results.filter(({ cell }) => cell.settings.what === 'time' && cell.major === major && cell.contender === contender).map(({ result }) => result);
  const failed = own.find(({ failure }) => failure !== undefined);
  if (failed !== undefined || own.length === 0) return { failure: failed?.failure ?? 'no run' };
  const dirty = [0, 1].map((index) => median(own.map((each) => each.dirty[index])));
  const parts = own.map(tenths);
  const lost = own.reduce((sum, each) => sum + (each.lost ?? 0), 0);
  return { dirty, lost, rotations: own[0].periods.length, tenths: [0, 1].map((index) => parts.flatMap((each) => each[index])) };
}

/** The second and the last tenth of the hour. */
function tenths({ periods }) {
  const tenth = Math.max(1, Math.floor(periods.length / 10));
  return [periods.slice(tenth, 2 * tenth), periods.slice(-tenth)];
}

function timeTable(results, majors) {
  const rows = majors.map((major) => {
    const [ours, nothing] = ['pronghorn', 'nothing'].map((contender) => hourOf(results, major, contender));
    if (ours.failure !== undefined) return [`Node ${major}`, ours.failure, '', '', '', '', ''];
    const both = (key, digits) => ours.tenths.map((part) => number(median(part.map((period) => period[key])), digits)).join(' → ');
    const memory = ({ dirty, failure }) => failure ?? dirty.map((each) => number(each, 1)).join(' → ');
    return [`Node ${major}`, `${ours.rotations}`, both('pause'), both('bytes', 0), memory(ours), memory(nothing), String(ours.lost)];
  });
  return markdownTable(['', 'rotations', 'longest turn, CPU ms', 'bytes of a profile', 'memory outside of V8’s heap, MiB', 'without pronghorn', 'lost samples'], rows);
}

/** What a frame more costs the handler, in nanoseconds, between two depths. */
const perFrame = (of, from, to) => ((of(to).handlerP50 - of(from).handlerP50) / (to - from)) * 1e3;

/** The figures of a series, by value; undefined unless all are there. */
function seriesOf(results, major, what) {
  const { values } = SERIES[what];
  const found = new Map(results.filter(({ cell, result }) => cell.major === major && cell.settings.what === what && result.failure === undefined).map(({ cell, result }) => [cell.settings.value, result]));
  return values.every((value) => found.has(value)) ? { of: (value) => found.get(value), all: [...found.values()] } : undefined;
}

/** A verdict that needs a whole series. */
const judged = (results, what, judge) => (major) => {
  const series = seriesOf(results, major, what);
  return series === undefined ? { met: undefined, figure: '—' } : judge(series);
};

function goals(results, majors) {
  return [
    goal('a frame more costs the handler at most 1.5 times as much between depths of 300 and 1,000 as between 10 and 300', majors, judged(results, 'depth', ({ of }) => {
      const [deep, flat] = [perFrame(of, 300, 1_000), perFrame(of, 10, 300)];
      return { met: deep <= 1.5 * flat, figure: `${number(deep, 0)} and ${number(flat, 0)} ns` };
    })),
    goal('the handler takes at most 0.5% of the CPU time with 1 to 64 busy threads (all own paths)', majors, judged(results, 'threads', ({ all }) => {
      const handler = Math.max(...all.map(({ handlerShare }) => handlerShare));
      const own = Math.max(...all.map(({ ownShare }) => ownShare));
      return { met: handler <= 0.005, figure: `${percent(handler, 2)} (${percent(own, 2)})` };
    })),
    goal('all own paths take at most 1.5 times as long for a sample with 100,000 functions as with 1,000', majors, judged(results, 'functions', ({ of }) => {
      const [many, few] = [of(100_000).ownPerSample, of(1_000).ownPerSample];
      return { met: many <= 1.5 * few, figure: `${number(many, 1)} and ${number(few, 1)} µs` };
    })),
    goal('an hour of rotations of a program that grows: at most 4 MiB more than it grows by itself, and no longer turns than 1 ms at its end', majors, (major) => {
      const [ours, nothing] = ['pronghorn', 'nothing'].map((contender) => hourOf(results, major, contender));
      if (ours.failure !== undefined || nothing.failure !== undefined) return { met: undefined, figure: '—' };
      const grown = ({ dirty: [early, late] }) => late - early;
      const more = grown(ours) - grown(nothing);
      const turn = median(ours.tenths[1].map(({ pause }) => pause));
      return { met: more <= 4 && turn <= 1 && ours.lost === 0, figure: `${number(more, 1)} MiB, ${number(turn)} ms` };
    }),
  ];
}

export function report(results, { majors }) {
  const tables = Object.entries(SERIES).map(([what, { title }]) => seriesTable(what, title, results));
  const hour = 'An hour of rotations, one each ten seconds, simulated: the second tenth → the last tenth; of memory (Private_Dirty less V8’s heap, behind a full collection), a fifth of the hour → its end, medians of two runs, V8 without threads of its own. The program gets 100 functions more in each period.';
  return {
    metrics: [],
    sections: [{ title: 'Growth', text: ['Depth and functions at 1 kHz, threads at 100 Hz. Threads share two processors: the more of them, the colder the caches that a handler finds.', ...tables, hour, timeTable(results, majors)] }],
    goals: goals(results, majors),
  };
}
