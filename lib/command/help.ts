/**
 * What `pronghorn --help` prints.
 */
import type { Command } from './command-line.js';
import { OPTIONS } from '../options.js';

const MAIN = `Profile CPU and wall time of a Node.js program.

Usage:
  pronghorn run [options] -- app.js [args]   run a program and write its profile when it ends
  pronghorn top FILE [options]               print the functions of a profile
  pronghorn merge FILES... -o OUT            make one profile of many
  pronghorn --help | --version

\`pronghorn run --help\` and so on list the options.
`;

const TOP = `Print the functions of a pprof file, gzipped or not.

Usage:
  pronghorn top FILE [options]

Options:
  --value cpu|wall|samples  what to sum up (default: what the file says, cpu in ours)
  --sort self|total         self: the function's own; total: with all it called (default: self)
  --by process|thread|LABEL each process, thread, or value of a label by itself
  --count N                 functions to print (default: 20; with --by, 5 of each)
  --json                    print JSON instead of a table
  -h, --help                print this
`;

const MERGE = `Make one pprof profile of many: of the processes of a cluster, or of consecutive times.

Usage:
  pronghorn merge FILES... -o OUT

Samples with the same stack and the same labels become one, with the sums of their values. The files must have the same sample types and
the same period type.

Options:
  -o, --output OUT  the file to write, a gzipped pprof file; replaced if it exists
  -h, --help        print this
`;

/** The help of one command. */
export function helpText(of: Extract<Command, { name: 'help' }>['of']): string {
  switch (of) {
    case 'run':
      return runHelp();
    case 'top':
      return TOP;
    case 'merge':
      return MERGE;
    case 'pronghorn':
      return MAIN;
  }
}

function runHelp(): string {
  const rows: [flag: string, text: string][] = [
    ['--output-dir DIR', 'folder for the profile, created if missing (default: the working directory)'],
    ...Object.values(OPTIONS).map((row): [string, string] => [
      `--${row.flag} ${typeof row.fallback === 'number' ? 'N' : 'WHICH'}`,
      `${row.help} (default: ${row.fallback.toLocaleString('en-US')})`,
    ]),
    ['-h, --help', 'print this'],
  ];
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return `Run a program with Node.js and write its profile when it ends, however it ends:
CPU.<yyyymmdd>.<hhmmss>.<pid>.<seq>.pb.gz, a gzipped pprof file.

Usage:
  pronghorn run [options] -- app.js [args]
  pronghorn run [options] -- --max-old-space-size=4096 app.js [args]

Options:
${rows.map(([flag, text]) => `  ${flag.padEnd(width)}  ${text}`).join('\n')}
`;
}
