/**
 * What `pronghorn --help` prints.
 */
import type { Command } from './command-line.js';
import { COMMON } from '../export/variables.js';
import { OPTIONS } from '../options.js';

const EXIT_CODES = `Exit codes: 0; 1 if it failed; 2 if the arguments make no sense. run ends as its program ends; help run says more.`;

const MAIN = `Profile CPU and wall time of a Node.js program.

Usage:
  pronghorn run [options] -- app.js [args]   run a program and write its profile when it ends
  pronghorn top FILE [options]               print the functions of a profile
  pronghorn flame FILE... [options]          draw a profile: an HTML file with a flame graph
  pronghorn open FILE... [options]           show the same in a browser
  pronghorn merge FILES... -o OUT            make one profile of many
  pronghorn help [COMMAND] | --version

\`pronghorn help run\`, or \`pronghorn run --help\`, lists the options of run, with examples; and so on.

Examples:
  pronghorn run -- app.js                    a profile of the whole program
  pronghorn run --duration 30s -- app.js     of its first 30 seconds; the program goes on
  pronghorn top CPU.20261123.120000.4711.0.pb.gz
  pronghorn open CPU.20261123.120000.4711.0.pb.gz

${EXIT_CODES}
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

Examples:
  pronghorn top CPU.20261123.120000.4711.0.pb.gz
  pronghorn top CPU.20261123.120000.4711.0.pb.gz --value wall --sort total --count 50
  pronghorn top merged.pb.gz --by process
  pronghorn top CPU.20261123.120000.4711.0.pb.gz --json | jq '.rows[0]'
`;

const MERGE = `Make one pprof profile of many: of the processes of a cluster, or of consecutive times.

Usage:
  pronghorn merge FILES... -o OUT

Samples with the same stack and the same labels become one, with the sums of their values. The files must have the same sample types and
the same period type.

Options:
  -o, --output OUT  the file to write, a gzipped pprof file; replaced if it exists
  -h, --help        print this

Examples:
  pronghorn merge CPU.*.pb.gz -o cluster.pb.gz
  pronghorn merge CPU.20261123.1200*.pb.gz -o noon.pb.gz && pronghorn top noon.pb.gz --by process
`;

const PICTURE_OPTIONS = `  --value cpu|wall|samples  what the page shows first (default: what the file says, cpu in ours)
  --by process|thread       a first level of frames: one for each process or thread
  --diff BASE               compare with another profile: what takes more is red, what takes less is blue`;

const FLAME = `Draw pprof files as one HTML file with a flame graph and a table of functions. It needs no network and opens anywhere.

Usage:
  pronghorn flame FILE... [options]

Several files are merged, as pronghorn merge does.

Options:
  -o, --output OUT          the file to write, or - for standard output (default: beside the first FILE, with .html).
                            Only a page of pronghorn flame is replaced
${PICTURE_OPTIONS}
  -h, --help                print this

Examples:
  pronghorn flame CPU.20261123.120000.4711.0.pb.gz
  pronghorn flame CPU.*.pb.gz --by process -o cluster.html
  pronghorn flame after.pb.gz --diff before.pb.gz --value wall
`;

const OPEN = `Show pprof files in a browser: the page of pronghorn flame, served to this machine only, until Ctrl-C.

Usage:
  pronghorn open FILE... [options]

Options:
${PICTURE_OPTIONS}
  --port N                  port on 127.0.0.1 (default: any that is free)
  --no-browser              print the address and start no browser
  -h, --help                print this

Examples:
  pronghorn open CPU.20261123.120000.4711.0.pb.gz
  pronghorn open after.pb.gz --diff before.pb.gz
  ssh -L 8080:127.0.0.1:8080 server pronghorn open --no-browser --port 8080 CPU.20261123.120000.4711.0.pb.gz
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
    case 'flame':
      return FLAME;
    case 'open':
      return OPEN;
    case 'pronghorn':
      return MAIN;
  }
}

/** What a value is where it is none of a few words. */
const KINDS_OF_VALUE: Readonly<Record<string, string>> = { 'stall-output': 'FILE', exporters: 'LIST', service: 'NAME', labels: 'LIST' };

function runHelp(): string {
  const rows: [flag: string, text: string][] = [
    ['--output-dir DIR', 'folder for the profile, created if missing (default: the working directory)'],
    ['-d, --duration TIME', 'profile for that long, in seconds or with ms, s, m or h behind the number; the program goes on (default: until it ends)'],
    ['-q, --quiet', 'say nothing but errors'],
    ...Object.values(OPTIONS).map((row): [string, string] => [
      `--${row.flag} ${typeof row.fallback === 'number' ? 'N' : (KINDS_OF_VALUE[row.flag] ?? 'WHICH')}`,
      `${row.help} (default: ${row.fallback.toLocaleString('en-US')})`,
    ]),
    ...COMMON.flatMap(({ flag, help }): [string, string][] => (flag === undefined ? [] : [[`--${flag} ${flag.endsWith('-ms') ? 'N' : (KINDS_OF_VALUE[flag] ?? 'WHICH')}`, help]])),
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

With --exporters a profile of each period goes to all of them, and the last one when the program ends. Where they are and what they may know stands in
environment variables, which no list of processes shows: PRONGHORN_PARCA_URL, PRONGHORN_PYROSCOPE_TOKEN, OTEL_EXPORTER_OTLP_ENDPOINT and others (docs/cli.md).

What run itself has to say goes to standard error: a line at the start, the paths at the end, and on a terminal how much of --duration is over.

Examples:
  pronghorn run -- app.js
  pronghorn run --duration 30s --output-dir profiles -- server.js --port 8080
  pronghorn run --quiet --interval-micros 1000 -- app.js > out.txt
  PRONGHORN_PARCA_URL=http://127.0.0.1:7070 pronghorn run --exporters parca --period-ms 10000 -- app.js

Exit codes: that of the program; its signal, if one has ended it (a shell shows 128 + its number), and as process 1 of a container 128 + its number;
2 if the options make no sense; 126 if the program cannot be read, 127 if it is not there. Nothing was started then.
`;
}
