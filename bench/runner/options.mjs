// The command line of `npm run bench`.
import { parseArgs } from 'node:util';
import { majors as allMajors } from '../../__test__/helpers/nodes.mjs';

export const usage = `npm run bench -- [options]

  --only NAME[,NAME]     these workloads or measurements alone (names: see bench/README.md)
  --majors 20,26         these Node versions alone
  --contenders A,B       these contenders alone; "nothing" and "pronghorn" always run
  --rounds N             rounds of each interleaved comparison, instead of the measurement's own number
  --quick                small counts: shows that everything works, proves nothing
  --offline              do not install the peers; those that are missing are left out
  --output FILE          where the tables go; by default bench/RESULTS.md for a whole run, standard output for a part`;

const list = (text) => text?.split(',').map((name) => name.trim());

/** @throws if an option is unknown or has no sense */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      majors: { type: 'string' },
      contenders: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      offline: { type: 'boolean', default: false },
      output: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const majors = list(values.majors)?.map(Number) ?? allMajors;
  const unknown = majors.find((major) => !allMajors.includes(major));
  if (unknown !== undefined) throw new Error(`--majors: ${unknown} is none of ${allMajors.join(', ')}`);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds: ${values.rounds} is no positive integer`);
  const only = list(values.only);
  const whole = only === undefined && values.majors === undefined && values.contenders === undefined && !values.quick;
  return { ...values, only, majors, rounds, contenders: list(values.contenders), whole };
}
