// Medians, spreads, and how sure a difference is.

const sorted = (values) => values.toSorted((left, right) => left - right);

/** The quantile `share` of some numbers, by the nearest rank; undefined if there are none. */
export function quantile(values, share) {
  if (values.length === 0) return undefined;
  const all = sorted(values);
  return all[Math.min(all.length - 1, Math.max(0, Math.ceil(share * all.length) - 1))];
}

/** The median; the mean of the middle two if their number is even. */
export function median(values) {
  if (values.length === 0) return undefined;
  const all = sorted(values);
  const middle = all.length >> 1;
  return all.length % 2 === 1 ? all[middle] : (all[middle - 1] + all[middle]) / 2;
}

/** Median, least and greatest. */
export function spread(values) {
  const all = sorted(values);
  return { median: median(values), least: all[0], greatest: all.at(-1), count: all.length };
}

/** A generator of numbers from 0 to 1, the same ones in every run: an interval must not depend on luck. (mulberry32) */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const RESAMPLES = 4_000;
/** Of fewer pairs the interval says nothing. */
const LEAST_PAIRS = 5;

/**
 * The median of paired figures with its 95% bootstrap interval: what medians of samples drawn from these figures, with replacement, lie within.
 *
 * @returns `low` and `high` are undefined for fewer than five figures
 */
export function medianInterval(values) {
  if (values.length < LEAST_PAIRS) return { median: median(values), low: undefined, high: undefined, count: values.length };
  const next = random(values.length);
  const medians = Array.from({ length: RESAMPLES }, () => median(values.map(() => values[Math.floor(next() * values.length)])));
  return { median: median(values), low: quantile(medians, 0.025), high: quantile(medians, 0.975), count: values.length };
}

/** Ratios of figures that belong together: index by index, those that both have. */
export function ratios(values, bases) {
  return values.flatMap((value, index) => (value === undefined || bases[index] === undefined || bases[index] === 0 ? [] : [value / bases[index]]));
}
