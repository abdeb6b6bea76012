/**
 * The options of the profiler, in one table: from it come the validation, the environment variables that `register` reads, and
 * the flags of `pronghorn run`. A new option is one row here.
 */
import { InvalidOptionError } from './errors.js';
import { grouped } from './grouped.js';
import type { ClockReading, NativeFrames, Threads } from './native-api.js';
import { numberOf } from './object-numbers.js';

/** What the profiler does in a child of fork(2). */
export type AfterFork = 'restart' | 'stop';

/** How to profile: what `start()`, `profile()` and `startCluster()` take alike. Everything is optional. */
export interface SamplingOptions {
  /** CPU time between two samples of one thread, in microseconds: an integer from 1,000 to 1,000,000. Default 10,000. */
  intervalMicros?: number | undefined;
  /** Most frames of one stack: an integer from 8 to 1,024. What is deeper keeps its leaf end. Default 1,024. */
  maxDepth?: number | undefined;
  /** Which native frames a stack shows below its JavaScript: 'none', 'leaf' or 'all'. Default 'all'. */
  nativeFrames?: NativeFrames | undefined;
  /** Which threads are profiled: 'main', or 'all' JavaScript threads, worker threads included. Default 'all'. */
  threads?: Threads | undefined;
  /** What happens in a child of fork(2) that goes on running JavaScript: 'restart' or 'stop'. Default 'restart'. */
  afterFork?: AfterFork | undefined;
  /** Whether frames of transpiled code show the file, line and name of their original, by its source map. Default true. */
  sourceMaps?: boolean | undefined;
  /**
   * A turn of the main thread's event loop that takes longer than this is a stall: it is reported while it lasts, and published on `pronghorn:stall`. In
   * milliseconds: an integer from 20 to 3,600,000, or 0 for off. Default 0.
   */
  stallThresholdMs?: number | undefined;
  /** Where reports of stalls are written: 'stderr', or the path of a file that they are appended to. Default 'stderr'. */
  stallOutput?: string | undefined;
}

/** The same with every default filled in. */
export interface ResolvedOptions {
  intervalMicros: number;
  maxDepth: number;
  nativeFrames: NativeFrames;
  threads: Threads;
  afterFork: AfterFork;
  sourceMaps: boolean;
  stallThresholdMs: number;
  stallOutput: string;
}

/** What tests can do to the reset after a fork. */
export interface ForkTest {
  /** A step of the chain, as its debug line names it, that fails the next so many times. */
  failResetStep?: { step: string; times: number };
  /** The clock reading of the reset, instead of the real one. */
  resetReading?: ClockReading;
}

/** A value that tests set through a symbol, which no configuration file and no typing mistake can reach. */
export interface TestOptions extends ForkTest {
  /** Overrides `intervalMicros`, below its minimum too. */
  intervalNanos?: number;
  /** How many threads can be profiled at a time. */
  maxThreads?: number;
  /** Pretend to run in this V8 version. */
  v8Version?: [number, number];
  /** The place in the native half whose next entry panics. */
  injectPanic?: string;
  /** Rotations wait for source maps that long at most. */
  sourceMapPatienceNanos?: number;
}

/** Key of TestOptions inside the options object. No public promise. */
export const TEST_OPTIONS: unique symbol = Symbol.for('pronghorn.testOptions') as never;

interface Row<T> {
  readonly fallback: T;
  /** What is allowed, as a phrase that ends the sentence "x must be …". */
  readonly allowed: string;
  /** The environment variable that `register` reads. */
  readonly env: string;
  /** The flag of `pronghorn run`, without its dashes. */
  readonly flag: string;
  /** One line for the help. */
  readonly help: string;
  accepts(value: unknown): value is T;
  /** Reads the value from text, or returns undefined where the text has no such form. */
  parse(text: string): T | undefined;
}

function integer(row: { fallback: number; min: number; max: number; env: string; flag: string; help: string }): Row<number> {
  return {
    ...row,
    allowed: `an integer from ${grouped(row.min)} to ${grouped(row.max)}`,
    accepts: (value): value is number => Number.isInteger(value) && (value as number) >= row.min && (value as number) <= row.max,
    parse: (text) => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined),
  };
}

/** The same, or 0 for off, which is the default. */
function integerOrOff(row: { min: number; max: number; env: string; flag: string; help: string }): Row<number> {
  const on = integer({ ...row, fallback: 0 });
  return {
    ...on,
    allowed: `0 (off) or ${on.allowed}`,
    accepts: (value): value is number => value === 0 || on.accepts(value),
  };
}

function outputPath(row: { fallback: string; allowed: string; env: string; flag: string; help: string }): Row<string> {
  return {
    ...row,
    accepts: (value): value is string => typeof value === 'string' && value !== '' && !value.includes('\0'),
    parse: (written) => written,
  };
}

function oneOf<T extends string>(row: { fallback: T; values: readonly T[]; env: string; flag: string; help: string }): Row<T> {
  return {
    ...row,
    allowed: `one of ${row.values.map((value) => JSON.stringify(value)).join(', ')}`,
    accepts: (value): value is T => row.values.includes(value as T),
    parse: (text) => text as T,
  };
}

function flag(row: { fallback: boolean; env: string; flag: string; help: string }): Row<boolean> {
  return {
    ...row,
    allowed: 'true or false',
    accepts: (value): value is boolean => typeof value === 'boolean',
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  };
}

/** Every option of `start()`, by name. */
export const OPTIONS: { readonly [Name in keyof ResolvedOptions]: Row<ResolvedOptions[Name]> } = {
  intervalMicros: integer({
    fallback: 10_000,
    min: 1_000,
    max: 1_000_000,
    env: 'PRONGHORN_INTERVAL_MICROS',
    flag: 'interval-micros',
    help: 'CPU time between two samples of a thread, in microseconds',
  }),
  maxDepth: integer({
    fallback: 1_024,
    min: 8,
    max: 1_024,
    env: 'PRONGHORN_MAX_DEPTH',
    flag: 'max-depth',
    help: 'most frames of one stack',
  }),
  nativeFrames: oneOf<NativeFrames>({
    fallback: 'all',
    values: ['none', 'leaf', 'all'],
    env: 'PRONGHORN_NATIVE_FRAMES',
    flag: 'native-frames',
    help: 'native frames that JavaScript called: none, leaf or all',
  }),
  threads: oneOf<Threads>({
    fallback: 'all',
    values: ['main', 'all'],
    env: 'PRONGHORN_THREADS',
    flag: 'threads',
    help: 'JavaScript threads: main, or all with the worker threads',
  }),
  afterFork: oneOf<AfterFork>({
    fallback: 'restart',
    values: ['restart', 'stop'],
    env: 'PRONGHORN_AFTER_FORK',
    flag: 'after-fork',
    help: 'in a child of fork(2) that runs on: restart or stop',
  }),
  sourceMaps: flag({
    fallback: true,
    env: 'PRONGHORN_SOURCE_MAPS',
    flag: 'source-maps',
    help: 'show the originals of transpiled code: true or false',
  }),
  stallThresholdMs: integerOrOff({
    min: 20,
    max: 3_600_000,
    env: 'PRONGHORN_STALL_THRESHOLD_MS',
    flag: 'stall-threshold-ms',
    help: 'report an event loop that is blocked for longer, in milliseconds; 0 is off',
  }),
  stallOutput: outputPath({
    fallback: 'stderr',
    allowed: '"stderr" or the path of a file',
    env: 'PRONGHORN_STALL_OUTPUT',
    flag: 'stall-output',
    help: 'where these reports go: stderr, or a file that they are appended to',
  }),
};

const NAMES = Object.keys(OPTIONS) as (keyof ResolvedOptions)[];

/**
 * Checks what a caller passed and fills in the defaults. A property that is undefined counts as absent.
 *
 * @param options the caller's object; may be undefined
 * @param extra names of further properties that the caller's function takes and checks itself
 * @throws InvalidOptionError naming the option, its value and what is allowed
 */
export function validateOptions(options: unknown, extra: readonly string[] = []): ResolvedOptions {
  const given = optionsObject(options);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(OPTIONS, name) && !extra.includes(name)) throw unknownOption(name, given[name], [...NAMES, ...extra]);
  }
  const resolved: Record<string, unknown> = {};
  for (const name of NAMES) {
    const value = given[name];
    if (value !== undefined && !OPTIONS[name].accepts(value)) throw new InvalidOptionError(name, value, OPTIONS[name].allowed);
    resolved[name] = value ?? OPTIONS[name].fallback;
  }
  return resolved as unknown as ResolvedOptions;
}

/**
 * Reads one option from text (an environment variable or a flag) and checks it.
 *
 * @param name the option
 * @param text its value
 * @param shownAs the name under which the user wrote it, for the error
 */
export function parseOption<Name extends keyof ResolvedOptions>(name: Name, text: string, shownAs: string): ResolvedOptions[Name] {
  const row: Row<ResolvedOptions[Name]> = OPTIONS[name];
  const value = row.parse(text.trim());
  if (!row.accepts(value)) throw new InvalidOptionError(shownAs, text, row.allowed);
  return value;
}

const TEST_NAMES: readonly (keyof TestOptions)[] = ['intervalNanos', 'maxThreads', 'v8Version', 'injectPanic', 'sourceMapPatienceNanos', 'failResetStep', 'resetReading'];

/** The test options inside a caller's object, if there are any. Their values are checked by the native half. */
export function testOptions(options: unknown): TestOptions {
  const test = (options as { [TEST_OPTIONS]?: TestOptions } | undefined)?.[TEST_OPTIONS] ?? {};
  for (const [name, value] of Object.entries(test)) {
    if (!TEST_NAMES.includes(name as keyof TestOptions)) throw unknownOption(name, value, TEST_NAMES);
  }
  return test;
}

/** Two sets of options are equal if this is: every copy of the package must come to the same text. */
export function optionsKey(options: ResolvedOptions, test: TestOptions, continuous: readonly unknown[] = []): string {
  const parts: unknown[] = Object.entries({ ...options, ...test }).sort(([a], [b]) => (a < b ? -1 : 1));
  if (continuous.length > 0) parts.push(continuous);
  return JSON.stringify(parts, (_name, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    return typeof value === 'function' ? numberOf(value) : value;
  });
}

/** The error for a name that no option has: with the nearest that one has, if one is near. */
export function unknownOption(name: string, value: unknown, known: readonly string[]): InvalidOptionError {
  const near = nearest(name, known);
  const hint = near === undefined ? `known options: ${known.join(', ')}` : `did you mean ${near}?`;
  return new InvalidOptionError(name, value, `one of ${known.join(', ')}`, `unknown option ${name}; ${hint}`);
}

function optionsObject(options: unknown): Record<string, unknown> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError('options', options, 'an object');
  }
  return options as Record<string, unknown>;
}

/** The known word with the fewest edits, unless more than a third of the letters would have to change. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.floor(word.length / 3) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
