/**
 * The PRONGHORN_* environment variables, by which `pronghorn run` and users speak to `register`. No other module reads them.
 */
import { InvalidOptionError } from './errors.js';
import { nearest, OPTIONS, parseOption, type ResolvedOptions, type StartOptions } from './options.js';

/** Where `register` writes its profile. */
export const OUTPUT_DIR = 'PRONGHORN_OUTPUT_DIR';

const PREFIX = 'PRONGHORN_';
const KNOWN: readonly string[] = [OUTPUT_DIR, ...Object.values(OPTIONS).map((row) => row.env)];

/** What the variables say. */
export interface Environment {
  /** The folder for the profile; the working directory if the variable is not set. */
  outputDirectory: string;
  options: StartOptions;
}

/**
 * Reads the variables. An empty one counts as not set. Foreign variables with our prefix are left alone (Kubernetes sets some for
 * every service called pronghorn), unless one looks like a slip of the pen.
 *
 * @param env usually `process.env`
 * @throws InvalidOptionError naming the variable, its value and what is allowed
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || KNOWN.includes(name)) continue;
    const meant = nearest(name.slice(PREFIX.length), KNOWN.map((known) => known.slice(PREFIX.length)));
    if (meant !== undefined) {
      throw new InvalidOptionError(name, env[name], `one of ${KNOWN.join(', ')}`, `unknown variable ${name}; did you mean ${PREFIX}${meant}?`);
    }
  }
  const options: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(OPTIONS)) {
    const text = env[row.env];
    if (text !== undefined && text !== '') options[name] = parseOption(name as keyof ResolvedOptions, text, row.env);
  }
  return { outputDirectory: readOutputDirectory(env), options: options as StartOptions };
}

/** The folder for the profile: `pronghorn run` looks there for what the program has written. */
export function readOutputDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env[OUTPUT_DIR] || process.cwd();
}
