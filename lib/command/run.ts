/**
 * `pronghorn run`: starts a program under `register` and stands in for it. Signals and IPC messages that reach us go on to the program, and we
 * end as it ends: with its exit code, or of the signal that killed it. Whoever started us need not know that we are there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { relayMessages } from './ipc-relay.js';
import { startFailure } from './program.js';

/** Signals that people and supervisors send to programs. SIGWINCH and SIGTSTP reach the whole foreground group anyway. */
const FORWARDED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGCONT'] as const;

/** Signals that a terminal sends to every process of its foreground group: to the program as well as to us. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/** How a process ended. */
export interface Ending {
  pid: number;
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Runs Node with these arguments until it ends.
 *
 * @param args arguments of node, the program among them
 * @param env its environment
 * @param started called with its process id when it runs
 * @returns how it ended; nothing of ours is left listening
 * @throws ProgramError if node cannot be started
 */
export async function runProgram(args: readonly string[], env: NodeJS.ProcessEnv, started: (pid: number) => void): Promise<Ending> {
  const hasChannel = process.send !== undefined;
  const child = spawn(process.execPath, args, {
    env,
    stdio: hasChannel ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
    serialization: hasChannel ? channelSerialization() : 'json',
  });
  const stopForwarding = forwardSignals(child);
  if (child.pid !== undefined) started(child.pid);
  const relay = hasChannel ? relayMessages(child) : undefined;
  try {
    const ending = await ended(child);
    await relay?.finish();
    return ending;
  } finally {
    stopForwarding();
  }
}

/**
 * Ends this process as another one ended.
 *
 * A kernel ignores signals to process 1 that it has no handler for, and somebody may have told us to ignore one: then the exit
 * code says which signal it was, as shells do.
 */
export function endLike(ending: Ending): void {
  if (ending.signal === null) {
    process.exitCode = ending.code ?? 1;
    return;
  }
  const code = 128 + constants.signals[ending.signal];
  if (process.pid === 1) process.exit(code);
  process.kill(process.pid, ending.signal);
  setTimeout(() => process.exit(code), 200);
}

function ended(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve, reject) => {
    // Once it runs, an error is only that of a signal or a message that did not reach it.
    child.on('error', (cause) => {
      if (child.pid === undefined) reject(startFailure(cause));
    });
    child.once('exit', (code, signal) => resolve({ pid: child.pid!, code, signal }));
  });
}

/** @returns a function that stops it, so that a signal acts on us again */
function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    if (FROM_TERMINAL.has(signal) && inForeground()) return;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return () => {
    for (const signal of FORWARDED) process.removeListener(signal, forward);
  };
}

/**
 * Whether our process group is the foreground group of a terminal. A Ctrl-C then reaches the program without our help, and forwarding
 * it would make two of one: many programs take the second for an order to drop everything.
 */
export function inForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    // The second field, the command in brackets, may hold spaces and brackets. Then: state, ppid, pgrp, session, tty_nr, tpgid.
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group === foreground;
  } catch {
    return false;
  }
}

/**
 * How our parent encodes its messages. Node removes the variable that says so at start; the kernel remembers the environment we
 * were started with.
 */
function channelSerialization(): 'json' | 'advanced' {
  try {
    const environment = readFileSync('/proc/self/environ', 'utf8').split('\0');
    return environment.includes('NODE_CHANNEL_SERIALIZATION_MODE=advanced') ? 'advanced' : 'json';
  } catch {
    return 'json';
  }
}
