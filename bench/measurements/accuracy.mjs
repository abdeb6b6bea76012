// Whether a profile is right: shares of functions whose share is known, at 1 kHz (Sentry: at its 99 Hz).
import { metric } from '../runner/metric.mjs';
import { interleave } from './interleave.mjs';

export const names = [];
const INTERVAL_MICROS = 1_000;
/** What each program stands for. */
const PROGRAMS = {
  split: 'largest error in the shares of three functions, measured by the CPU clock',
  'inlined-leaf': 'an inlined function',
  'builtin-callbacks': 'callbacks of built-in functions',
  generators: 'a generator',
  'async-functions': 'work behind awaits',
  regexp: 'a caller of regular expressions',
  json: 'a caller of JSON.parse',
};

export const cells = (context) =>
  interleave(context, { rounds: context.rounds(1) }, (_major, contender) =>
    contender === 'nothing'
      ? []
      : Object.keys(PROGRAMS).map((program) => ({
          program: 'accuracy',
          settings: { contender, program, ms: context.quick ? 300 : 1_000, intervalMicros: INTERVAL_MICROS },
        })),
  );

/** How far the profile is from the truth, in points; of a share that is at least so much only what is missing. */
function error({ found, samples }) {
  if (samples === 0) return 100;
  return 100 * Math.max(...Object.values(found).map(({ share, exactly, atLeast }) => (exactly === undefined ? Math.max(0, atLeast - share) : Math.abs(share - exactly))));
}

export function report(results) {
  return {
    metrics: Object.entries(PROGRAMS).map(([program, what]) => {
      const name = program === 'split' ? `leaf accuracy: ${what}` : `leaf accuracy: what is missing of ${what}`;
      return metric({ name, unit: 'points', digits: 1, toNothing: false }, results.filter(({ cell }) => cell.settings.program === program), error);
    }),
  };
}
