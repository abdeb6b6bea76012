// The order of processes: one round of all contenders after the other, each round beginning with another one, so that what drifts meets all alike.
import { isPeer } from '../contenders/index.mjs';

/**
 * @param {(major: number, contender: string, round: number) => object[]} make the cells of a contender in a round
 * @param {{ rounds: number, peerRounds?: number }} counts pairs of nothing and pronghorn may need more rounds than the comparison with peers
 */
export function interleave(context, { rounds, peerRounds = rounds }, make) {
  const cells = [];
  for (const major of context.majors) {
    for (let round = 0; round < rounds; round++) {
      const names = context.contendersOn(major).filter((name) => round < peerRounds || !isPeer(name));
      const shift = round % names.length;
      for (const contender of [...names.slice(shift), ...names.slice(0, shift)]) {
        for (const cell of make(major, contender, round)) cells.push({ major, contender, round, ...cell });
      }
    }
  }
  return cells;
}
