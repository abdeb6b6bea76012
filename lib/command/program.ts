/**
 * The program that `pronghorn run` is to start. That it is not there is found out before anything is started, so that the exit code can say so, as those
 * of shells do.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const NOT_READABLE = 126;
const NOT_FOUND = 127;

/** Options by which somebody else may decide what the program is: then node has to say what it thinks of it. */
const RESOLVED_ELSEWHERE = /(^|\s)(--(import|require|loader|experimental-loader|entry-url)|-r)\b/;

/** The program cannot be started. */
export class ProgramError extends Error {
  /** 127 if it is not there, 126 if it may not be read or executed. */
  readonly exitCode: number;

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/**
 * The arguments for node.
 *
 * @param program what stands behind the options of `run`
 * @param given what else decides how node reads it: its flags, and NODE_OPTIONS
 * @throws ProgramError if it begins with a file that is not there or cannot be read
 */
export function nodeArguments(program: readonly string[], given: readonly string[]): readonly string[] {
  const args = withoutNode(program);
  const [script = '-'] = args;
  // Behind flags of node's the file cannot be told from the value of one.
  if (script.startsWith('-') || script === 'inspect' || RESOLVED_ELSEWHERE.test(given.join(' '))) return args;
  const path = fileOf(script);
  try {
    if (path !== undefined) accessSync(path, constants.R_OK);
  } catch (cause) {
    throw new ProgramError(`${script} cannot be read: ${messageOf(cause)}`, NOT_READABLE, { cause });
  }
  return args;
}

/** node itself could not be started. */
export function startFailure(cause: unknown): ProgramError {
  const notFound = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new ProgramError(`${process.execPath} cannot be started: ${messageOf(cause)}`, notFound ? NOT_FOUND : NOT_READABLE, { cause });
}

/** `run -- node app.js` is what fingers type; node is ours to start. */
function withoutNode(program: readonly string[]): readonly string[] {
  const [first = '', ...rest] = program;
  const isNode = first === process.execPath || (first === 'node' && !existsSync(first));
  return isNode && rest.length > 0 ? rest : program;
}

/** The file that node would run, found as node does. @returns undefined if node had better say what is wrong */
function fileOf(script: string): string | undefined {
  const path = resolve(script);
  try {
    return createRequire(path).resolve(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') return undefined;
    throw new ProgramError(`there is no program ${script}; what pronghorn runs is a JavaScript file`, NOT_FOUND, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
