// One quantity, by Node version and contender, with the figures of each round.
import { medianInterval, median, ratios, spread } from './statistics.mjs';
import { isPeer } from '../contenders/index.mjs';

/**
 * @param {object} description `name`; `unit`; `digits`; `higherIsBetter`; `toNothing`: false where the program by itself has no such figure
 * @param {{ cell: object, result: object }[]} results
 * @param {(result: object, cell: object) => number | undefined} value
 */
export function metric(description, results, value) {
  /** Per major and contender, by round. */
  const figures = new Map();
  const failures = new Map();
  for (const { cell, result } of results) {
    const key = `${cell.major} ${cell.contender}`;
    if (result.failure !== undefined) {
      failures.set(key, result.failure);
      continue;
    }
    const figure = value(result, cell);
    if (figure === undefined || !Number.isFinite(figure)) continue;
    if (!figures.has(key)) figures.set(key, []);
    figures.get(key)[cell.round] = figure;
  }
  const of = (major, contender) => (figures.get(`${major} ${contender}`) ?? []).filter((figure) => figure !== undefined);
  const byRound = (major, contender) => figures.get(`${major} ${contender}`) ?? [];
  return {
    digits: 2,
    toNothing: true,
    ...description,
    majors: [...new Set(results.map(({ cell }) => cell.major))],
    of,
    failureOf: (major, contender) => failures.get(`${major} ${contender}`),
    spread: (major, contender) => spread(of(major, contender)),
    /** pronghorn's figure by that of the program alone, paired by round. */
    toNothingOf: (major) => medianInterval(ratios(byRound(major, 'pronghorn'), byRound(major, 'nothing'))),
    /** pronghorn's median by the best peer's. */
    toBestPeer(major) {
      const peers = [...figures.keys()].flatMap((key) => {
        const [of_, name] = key.split(' ');
        return Number(of_) === major && isPeer(name) ? [{ name, median: median(of(major, name)) }] : [];
      });
      const ours = median(of(major, 'pronghorn'));
      if (peers.length === 0 || ours === undefined) return undefined;
      const sign = description.higherIsBetter ? -1 : 1;
      const [best] = peers.sort((left, right) => sign * (left.median - right.median));
      return { ratio: best.median === 0 ? undefined : ours / best.median, name: best.name };
    },
  };
}

/**
 * A goal and what has become of it, on every Node version.
 *
 * @param {(major: number) => { met: boolean | undefined, figure: string }} judge `met` is undefined where there is no figure
 */
export const goal = (text, majors, judge) => ({ text, verdicts: majors.map((major) => ({ major, ...judge(major) })) });
