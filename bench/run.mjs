// `npm run bench`: pronghorn beside its peers, in one go. bench/README.md explains it; `npm run bench -- --help` lists the options.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { turnFixturePath } from '../__test__/helpers/fixture.mjs';
import { measurements } from './measurements/index.mjs';
import { measure } from './runner/child.mjs';
import { duration } from './runner/format.mjs';
import { describeMachine } from './runner/machine.mjs';
import { parseOptions, usage } from './runner/options.mjs';
import { contendersOn, installPeers } from './runner/peers.mjs';
import { writeReport } from './runner/report.mjs';

const args = process.argv.slice(2);
const options = readOptions();
const began = performance.now();
const say = (text) => console.error(text);

function readOptions() {
  try {
    const parsed = parseOptions(args);
    if (!parsed.help) return parsed;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

/** The measurements that are asked for, by their own names or by a workload's. */
function wanted() {
  const all = Object.entries(measurements);
  const known = new Set(all.flatMap(([name, { names }]) => [name, ...names]));
  const unknown = options.only?.find((name) => !known.has(name));
  if (unknown !== undefined) {
    console.error(`--only: ${unknown} is none of ${[...known].join(', ')}`);
    process.exit(2);
  }
  return all.filter(([name, { names }]) => options.only === undefined || options.only.includes(name) || names.some((each) => options.only.includes(each)));
}

/** Runs the processes of a measurement, one at a time. */
async function runCells(name, cells) {
  const results = [];
  for (const [index, cell] of cells.entries()) {
    if (process.stderr.isTTY) process.stderr.write(`\r${name} ${index + 1}/${cells.length}, Node ${cell.major}, ${cell.contender}\x1b[K`);
    const result = await measure(cell.major, cell.program, cell.settings, cell);
    if (result.failure !== undefined) say(`\n${name}, Node ${cell.major}, ${cell.contender}: ${result.failure}`);
    results.push({ cell, result });
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return results;
}

const selected = wanted();
await turnFixturePath();
const machine = describeMachine(options.majors);
const installProblem = options.offline ? undefined : installPeers();
if (installProblem !== undefined) say(installProblem);
const found = await contendersOn(options.majors, options.contenders);
const context = {
  majors: options.majors,
  quick: options.quick,
  contendersOn: (major) => found.get(major).running,
  rounds: (own) => options.rounds ?? (options.quick ? 1 : own),
  /** Whether this workload of a measurement is asked for. */
  wants: (workload, measurement) => options.only === undefined || options.only.includes(workload) || options.only.includes(measurement),
};
const missing = options.majors.flatMap((major) => found.get(major).missing.map(({ name, reason }) => ({ major, name, reason })));

const output = options.output ?? (options.whole ? fileURLToPath(new URL('RESULTS.md', import.meta.url)) : undefined);
const reports = [];
const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
const text = () =>
  writeReport({ machine, command, majors: options.majors, missing, reports, took: duration(performance.now() - began), quick: options.quick, installProblem });
for (const [name, measurement] of selected) {
  const start = performance.now();
  const results = await (measurement.run?.(context) ?? runCells(name, measurement.cells(context)));
  reports.push(measurement.report(results, context));
  say(`${name}: ${results.length} results in ${duration(performance.now() - start)}`);
  // As far as it is: what follows may fail, or be stopped.
  if (output !== undefined) writeFileSync(output, text());
}
if (output === undefined) console.log(text());
else say(`written to ${output}`);
