#!/usr/bin/env node
/**
 * The `pronghorn` command. Exit codes: 0, 1 if the work failed, 2 if the arguments make no sense; `run` ends as its program ends, or with 126 or 127 if
 * that cannot be started.
 */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, readCommandLine, UsageError } from './lib/command/command-line.js';
import { PronghornError } from './lib/errors.js';
import { writeAtomically } from './lib/files.js';
import { writePage } from './lib/flame/output.js';
import { makePicture } from './lib/flame/picture.js';
import { helpText } from './lib/command/help.js';
import { mergeProfiles, type Part } from './lib/pprof/merge.js';
import { useProfileFile } from './lib/pprof/reader.js';
import { printableJson } from './lib/printable.js';
import { profileBytes } from './lib/pprof/bytes.js';
import { nodeArguments, ProgramError } from './lib/command/program.js';
import { Progress, standardError } from './lib/command/progress.js';
import { endLike, inForeground, runProgram } from './lib/command/run.js';
import { RunReport } from './lib/command/run-report.js';
import { say } from './lib/stderr.js';
import { formatTop } from './lib/command/top-table.js';
import { top } from './lib/command/top.js';
import { VERSION } from './lib/version.js';

main().catch((error: unknown) => {
  if (error instanceof UsageError) say(`${error.message} (pronghorn --help)`);
  else if (error instanceof PronghornError || error instanceof ProgramError) say(error.message);
  else say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = error instanceof UsageError ? 2 : error instanceof ProgramError ? error.exitCode : 1;
});

async function main(): Promise<void> {
  // A reader such as head may go before we are done.
  process.stdout.on('error', () => process.exit());
  const command = readCommandLine(process.argv.slice(2));
  switch (command.name) {
    case 'help':
      process.stdout.write(helpText(command.of));
      return;
    case 'version':
      process.stdout.write(`${VERSION}\n`);
      return;
    case 'run':
      return run(command);
    case 'top':
      return printTop(command);
    case 'merge':
      return mergeFiles(command);
    case 'flame':
      return writePicture(command);
    case 'open':
      return servePicture(command);
  }
}

async function run({ env, program, plan }: Extract<Command, { name: 'run' }>): Promise<void> {
  const register = new URL('register.js', import.meta.url).href;
  const args = nodeArguments(program, [...process.execArgv, process.env['NODE_OPTIONS'] ?? '']);
  // In the background the terminal is somebody else's.
  const report = new RunReport(plan, new Progress(standardError(inForeground), process.env));
  const ending = await runProgram([...process.execArgv, '--import', register, ...args], { ...process.env, ...env }, (pid) => report.started(pid));
  report.ended(ending.pid);
  endLike(ending);
}

function printTop(command: Extract<Command, { name: 'top' }>): void {
  const result = useProfileFile(command.file, (profile) => top(profile, command));
  if (command.json) {
    process.stdout.write(`${printableJson(result)}\n`);
    return;
  }
  const width = process.stdout.isTTY ? process.stdout.columns : Infinity;
  process.stdout.write(formatTop(result, { title: basename(command.file), directory: process.cwd(), width }));
}

async function mergeFiles({ files, output }: Extract<Command, { name: 'merge' }>): Promise<void> {
  const merged = await mergeProfiles(readEach(files));
  try {
    await writeAtomically(output, merged);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PronghornError('ERR_PRONGHORN_WRITE_FAILED', `the profile could not be written to ${output}: ${reason}`, { cause });
  }
}

/** One file after the other, so that only one is in memory at a time. */
function* readEach(files: readonly string[]): Generator<Part, void, undefined> {
  for (const name of files) yield { name, data: profileBytes(name) };
}

/** The page without its data, which the build puts beside this file. */
function template(): string {
  return fileURLToPath(new URL('flame.html.gz', import.meta.url));
}

async function writePicture({ output, ...options }: Extract<Command, { name: 'flame' }>): Promise<void> {
  const page = makePicture(options, template());
  if (output === '-') process.stdout.write(page);
  else say(`flame graph written to ${await writePage(output, page)}`);
}

async function servePicture({ port, browser, ...options }: Extract<Command, { name: 'open' }>): Promise<void> {
  // The other commands need no HTTP, which takes a while to load.
  const { openBrowser, servePage } = await import('./lib/flame/serve.js');
  const { url, close } = await servePage(makePicture(options, template()), port);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, close);
  process.stdout.write(`${url}\n`);
  say('the page is there until Ctrl-C');
  if (browser) openBrowser(url);
}
