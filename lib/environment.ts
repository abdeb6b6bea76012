/**
 * The PRONGHORN_* environment variables, by which `pronghorn run` and users speak to `register`. No other module reads them.
 */
import { InvalidOptionError } from './errors.js';
import type { ContinuousOptions } from './export/options.js';
import { HIDDEN } from './export/check.js';
import { continuousFrom, VARIABLES } from './export/variables.js';
import { grouped } from './grouped.js';
import { nearest, OPTIONS, parseOption, type ResolvedOptions, type SamplingOptions } from './options.js';
import { LONGEST_TIMER } from './time.js';

/** Where `register` writes its profile. */
export const OUTPUT_DIR = 'PRONGHORN_OUTPUT_DIR';
/** How long `register` profiles, in milliseconds. */
export const DURATION_MS = 'PRONGHORN_DURATION_MS';
/** Whether `register` says only what goes wrong. */
export const QUIET = 'PRONGHORN_QUIET';

const PREFIX = 'PRONGHORN_';
/** All of them. */
export const KNOWN: readonly string[] = [OUTPUT_DIR, DURATION_MS, QUIET, ...Object.values(OPTIONS).map((row) => row.env), ...VARIABLES];

/** What Kubernetes sets in every container beside a service called pronghorn, or pronghorn-something. */
const KUBERNETES = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/** What the variables say. */
export interface Environment {
  /** The folder for the profile; the working directory if the variable is not set. */
  outputDirectory: string;
  /** How long to profile, in milliseconds; undefined: until the program ends. */
  durationMs: number | undefined;
  /** Whether only errors are said. */
  quiet: boolean;
  options: SamplingOptions & ContinuousOptions;
}

/**
 * Reads the variables. An empty one counts as not set. Foreign variables with our prefix are left alone, unless one looks like a slip of the pen.
 *
 * @param env usually `process.env`
 * @throws InvalidOptionError naming the variable, its value if that cannot be a secret, and what is allowed
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || KNOWN.includes(name) || KUBERNETES.test(name)) continue;
    const meant = nearest(name.slice(PREFIX.length), KNOWN.map((known) => known.slice(PREFIX.length)));
    if (meant !== undefined) {
      throw new InvalidOptionError(name, HIDDEN, `one of ${KNOWN.join(', ')}`, `unknown variable ${name}; did you mean ${PREFIX}${meant}?`);
    }
  }
  const options: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(OPTIONS)) {
    const text = env[row.env];
    if (text !== undefined && text !== '') options[name] = parseOption(name as keyof ResolvedOptions, text, row.env);
  }
  const outputDirectory = readOutputDirectory(env);
  return { outputDirectory, durationMs: durationOf(env[DURATION_MS]), quiet: quietOf(env[QUIET]), options: { ...(options as SamplingOptions), ...continuousFrom(env, outputDirectory) } };
}

/** The folder for the profile: `pronghorn run` looks there for what the program has written. */
export function readOutputDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env[OUTPUT_DIR] || process.cwd();
}

function durationOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const ms = /^\d{1,15}$/.test(text.trim()) ? Number(text) : 0;
  if (ms >= 1 && ms <= LONGEST_TIMER) return ms;
  throw new InvalidOptionError(DURATION_MS, text, `an integer from 1 to ${grouped(LONGEST_TIMER)}`);
}

function quietOf(text = ''): boolean {
  const value = text.trim();
  if (value !== '' && value !== 'true' && value !== 'false') throw new InvalidOptionError(QUIET, text, 'true or false');
  return value === 'true';
}
