/**
 * Reads the arguments of the `pronghorn` command. What it returns has been checked; what is wrong is a UsageError.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PronghornError } from '../errors.js';
import { DURATION_MS, OUTPUT_DIR, QUIET, readEnvironment, readOutputDirectory } from '../environment.js';
import { DEFAULT_PERIOD_MS } from '../export/options.js';
import { COMMON } from '../export/variables.js';
import { pageName } from '../flame/output.js';
import type { PictureOptions } from '../flame/picture.js';
import { nearest, OPTIONS, parseOption, type ResolvedOptions } from '../options.js';
import { type Grouping, GROUPINGS } from '../pprof/sample-groups.js';
import { DURATION_ALLOWED, parseDuration } from './duration.js';
import type { RunPlan } from './run-report.js';
import { SORTS, type TopRequest, VALUES } from './top.js';

/** What the user has asked for. */
export type Command =
  | { name: 'help'; of: 'pronghorn' | (typeof COMMANDS)[number] }
  | { name: 'version' }
  | { name: 'run'; env: Record<string, string>; program: string[]; plan: RunPlan }
  | ({ name: 'top'; file: string; json: boolean } & TopRequest)
  | { name: 'merge'; files: string[]; output: string }
  | ({ name: 'flame'; output: string } & PictureOptions)
  | ({ name: 'open'; port: number; browser: boolean } & PictureOptions);

/** Arguments that make no sense. Its message is for the user; the exit code is 2. */
export class UsageError extends Error {}

const COMMANDS = ['run', 'top', 'flame', 'open', 'merge'] as const;
const MAX_COUNT = 1_000_000;

/**
 * @param args the arguments after the script's name
 * @throws UsageError
 */
export function readCommandLine(args: readonly string[]): Command {
  const [command, ...rest] = args;
  switch (command) {
    case undefined:
    case '--help':
    case '-h':
      return { name: 'help', of: 'pronghorn' };
    case 'help':
      return readHelp(rest);
    case '--version':
    case '-v':
      return { name: 'version' };
    case 'run':
      return readRun(rest);
    case 'top':
      return readTop(rest);
    case 'merge':
      return readMerge(rest);
    case 'flame':
      return readFlame(rest);
    case 'open':
      return readOpen(rest);
    default:
      throw unknownCommand(command);
  }
}

function unknownCommand(command: string): UsageError {
  const meant = nearest(command, COMMANDS);
  const hint = meant === undefined ? `there are: ${COMMANDS.join(', ')}` : `did you mean ${meant}?`;
  return new UsageError(command.startsWith('-') ? `unknown option ${command}` : `unknown command ${command}; ${hint}`);
}

/** `pronghorn help run` is `pronghorn run --help`. */
function readHelp([of, ...more]: readonly string[]): Command {
  if (more.length > 0) throw new UsageError(`help explains one command at a time, not ${1 + more.length}`);
  if (of === undefined || of === '--help' || of === '-h') return { name: 'help', of: 'pronghorn' };
  if (!COMMANDS.includes(of as (typeof COMMANDS)[number])) throw unknownCommand(of);
  return { name: 'help', of: of as (typeof COMMANDS)[number] };
}

/** Everything from the first word that is no option of ours belongs to the program. */
function readRun(args: readonly string[]): Command {
  const flags: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    'output-dir': { type: 'string' },
    duration: { type: 'string', short: 'd' },
    quiet: { type: 'boolean', short: 'q' },
    help: { type: 'boolean', short: 'h' },
  };
  for (const { flag } of [...Object.values(OPTIONS), ...COMMON]) if (flag !== undefined) flags[flag] = { type: 'string' };
  const { tokens } = parseArgs({ args: [...args], options: flags, strict: false, allowPositionals: true, tokens: true });
  const border = tokens.find((token) => token.kind === 'positional' || token.kind === 'option-terminator');
  const own = args.slice(0, border?.index ?? args.length);
  const program = border === undefined ? [] : args.slice(border.index + (border.kind === 'option-terminator' ? 1 : 0));

  const values = parse(own, flags);
  if (values['help'] === true) return { name: 'help', of: 'run' };
  const env: Record<string, string> = {};
  for (const [name, row] of Object.entries(OPTIONS)) {
    const text = values[row.flag];
    if (typeof text === 'string') env[row.env] = String(checked(() => parseOption(name as keyof ResolvedOptions, text, `--${row.flag}`)));
  }
  for (const row of COMMON) {
    const text = row.flag === undefined ? undefined : values[row.flag];
    if (typeof text === 'string') env[row.env] = text;
  }
  if (typeof values['duration'] === 'string') env[DURATION_MS] = String(milliseconds('--duration', values['duration']));
  if (values['quiet'] === true) env[QUIET] = 'true';
  const directory = values['output-dir'];
  if (directory === '') throw new UsageError('--output-dir needs the name of a folder');
  env[OUTPUT_DIR] = resolve(typeof directory === 'string' ? directory : readOutputDirectory(process.env));
  const plan = planOf({ ...process.env, ...env }, COMMON.some((row) => env[row.env] !== undefined));
  if (program.length === 0) throw new UsageError('no program to run; for example: pronghorn run -- app.js');
  return { name: 'run', env, program, plan };
}

/**
 * What is going to happen, by the environment of the program.
 *
 * @param hasFlags whether flags have set something that can only be checked with the rest of it
 */
function planOf(env: Readonly<Record<string, string | undefined>>, hasFlags: boolean): RunPlan {
  try {
    const { outputDirectory, durationMs, quiet, options } = readEnvironment(env);
    const { exporters = [], periodMs = DEFAULT_PERIOD_MS } = options;
    return { directory: outputDirectory, durationMs, quiet, periodMs, exporters: exporters.map((one) => ('type' in one ? one.type : one.name)) };
  } catch (error) {
    // What is wrong with flags register would only be able to say while the program runs without it.
    if (hasFlags && error instanceof PronghornError) throw new UsageError(error.message);
    // A wrong variable of the user's is no reason not to run the program: register says that it is not profiled, and we have nothing to add.
    return { directory: readOutputDirectory(env), durationMs: undefined, quiet: true, periodMs: DEFAULT_PERIOD_MS, exporters: [] };
  }
}

function milliseconds(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`${flag} must be ${DURATION_ALLOWED}; it is ${JSON.stringify(text)}`);
  return ms;
}

function readTop(args: readonly string[]): Command {
  const values = parse(args, {
    value: { type: 'string' },
    sort: { type: 'string' },
    count: { type: 'string' },
    by: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values['help'] === true) return { name: 'help', of: 'top' };
  const [file, ...more] = values.positionals;
  if (file === undefined) throw new UsageError('no file; for example: pronghorn top CPU.20261123.120000.4711.0.pb.gz');
  if (more.length > 0) throw new UsageError(`one file at a time, not ${1 + more.length}; pronghorn merge makes one of many`);
  const by = grouping(values['by']);
  return {
    name: 'top',
    file,
    value: choice('--value', values['value'], VALUES),
    sort: choice('--sort', values['sort'], SORTS) ?? 'self',
    by,
    count: integer('--count', values['count'], { least: 1, most: MAX_COUNT, fallback: by === undefined ? 20 : 5 }),
    json: values['json'] === true,
  };
}

function readMerge(args: readonly string[]): Command {
  const values = parse(args, { output: { type: 'string', short: 'o' }, help: { type: 'boolean', short: 'h' } });
  if (values['help'] === true) return { name: 'help', of: 'merge' };
  const { positionals: files } = values;
  const output = values['output'];
  if (files.length === 0) throw new UsageError('no files; for example: pronghorn merge CPU.*.pb.gz -o merged.pb.gz');
  if (typeof output !== 'string' || output === '') throw new UsageError('no file to write to; for example: -o merged.pb.gz');
  return { name: 'merge', files, output };
}

const PICTURE_FLAGS = { value: { type: 'string' }, by: { type: 'string' }, diff: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;

function readFlame(args: readonly string[]): Command {
  const values = parse(args, { ...PICTURE_FLAGS, output: { type: 'string', short: 'o' } });
  if (values['help'] === true) return { name: 'help', of: 'flame' };
  const options = pictureOptions(values, 'flame');
  const output = values['output'] ?? pageName(options.files[0]!, options.diff !== undefined);
  if (typeof output !== 'string' || output === '') throw new UsageError('-o needs the name of a file, or - for standard output');
  return { name: 'flame', output, ...options };
}

function readOpen(args: readonly string[]): Command {
  const values = parse(args, { ...PICTURE_FLAGS, port: { type: 'string' }, 'no-browser': { type: 'boolean' } });
  if (values['help'] === true) return { name: 'help', of: 'open' };
  const options = pictureOptions(values, 'open');
  return { name: 'open', port: integer('--port', values['port'], { least: 0, most: 65_535, fallback: 0 }), browser: values['no-browser'] !== true, ...options };
}

function pictureOptions(values: Values, command: string): PictureOptions {
  const { positionals: files, diff } = values;
  if (files.length === 0) throw new UsageError(`no file; for example: pronghorn ${command} CPU.20261123.120000.4711.0.pb.gz`);
  if (files.includes('')) throw new UsageError('a file has an empty name');
  if (diff === '') throw new UsageError('--diff needs the name of the file to compare with');
  return {
    files,
    value: choice('--value', values['value'], VALUES),
    by: grouping(values['by']),
    diff: diff as string | undefined,
  };
}

type Values = Record<string, unknown> & { positionals: string[] };

function parse(args: readonly string[], options: Record<string, { type: 'string' | 'boolean'; short?: string }>): Values {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { ...values, positionals };
  } catch (error) {
    throw new UsageError(explain(error, args, Object.keys(options)));
  }
}

/** parseArgs explains at length how to pass dashes; what a user needs is the name that he meant. */
function explain(error: unknown, args: readonly string[], known: readonly string[]): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  // The next word is an option, or there is none.
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' && /argument (?:missing|is ambiguous)/.test(message)) return `${/--[\w-]+/.exec(message)?.[0] ?? 'the option'} needs a value`;
  if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return message;
  const unknown = /'(-[^']*)'/.exec(message)?.[1] ?? args.find((arg) => arg.startsWith('-')) ?? '';
  const meant = nearest(unknown.replace(/^-+/, ''), known);
  return `unknown option ${unknown}${meant === undefined ? '' : `; did you mean --${meant}?`}`;
}

function choice<T extends string>(flag: string, value: unknown, allowed: readonly T[]): T | undefined {
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw new UsageError(`${flag} must be one of ${allowed.join(', ')}; it is ${JSON.stringify(value)}`);
}

/** A name that is neither `process` nor `thread` is that of a label. */
function grouping(value: unknown): Grouping | undefined {
  if (value === undefined || GROUPINGS.includes(value as (typeof GROUPINGS)[number])) return value as Grouping | undefined;
  if (typeof value === 'string' && value !== '') return { label: value };
  throw new UsageError(`--by must be one of ${GROUPINGS.join(', ')}, or the name of a label`);
}

function integer(flag: string, value: unknown, { least, most, fallback }: { least: number; most: number; fallback: number }): number {
  if (value === undefined) return fallback;
  const number = typeof value === 'string' && /^[0-9]{1,7}$/.test(value) ? Number(value) : -1;
  if (number >= least && number <= most) return number;
  throw new UsageError(`${flag} must be an integer from ${least} to ${most.toLocaleString('en-US')}; it is ${JSON.stringify(value)}`);
}

function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PronghornError) throw new UsageError(error.message);
    throw error;
  }
}
