/**
 * What `pronghorn --help` prints.
 */
import { OPTIONS } from './options.js';

const MAIN = `Profile CPU and wall time of a Node.js program.

Usage:
  pronghorn run [options] -- app.js [args]   run a program and write its profile when it ends
  pronghorn top FILE [options]               print the functions of a profile
  pronghorn --help | --version

\`pronghorn run --help\` and \`pronghorn top --help\` list the options.
`;

const TOP = `Print the functions of a pprof file, gzipped or not.

Usage:
  pronghorn top FILE [options]

Options:
  --value cpu|wall|samples  what to sum up (default: what the file says, cpu in ours)
  --sort self|total         self: the function's own; total: with all it called (default: self)
  --count N                 functions to print (default: 20)
  --json                    print JSON instead of a table
  -h, --help                print this
`;

/** The help of one command. */
export function helpText(of: 'pronghorn' | 'run' | 'top'): string {
  if (of === 'top') return TOP;
  return of === 'run' ? runHelp() : MAIN;
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
