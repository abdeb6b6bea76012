// Child processes with a deadline. Every child is the leader of its own process group, so that the deadline, and the
// end of the test run, also end whatever it started; nothing else is ever signalled.
import { spawn } from 'node:child_process';
import { root } from './nodes.mjs';

const living = new Set();

process.on('exit', () => {
  for (const child of living) killGroup(child);
});

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

/**
 * Starts a command and returns at once.
 *
 * Input: command and arguments; `deadlineMs` after which the whole group is killed; `env` merged into ours; `input`
 * for stdin (none: stdin is /dev/null); `cwd`; `ipc` for an IPC channel.
 * Output: the ChildProcess, with `output` (stdout and stderr so far), `waitFor(text, ms)` for a text on stdout, and
 * `done`, a promise of `{ code, signal, stdout, stderr, timedOut, elapsedMs }` that never rejects.
 */
export function launch(command, args, { deadlineMs = 30_000, env = {}, input, cwd = root, ipc = false, stdin } = {}) {
  const started = performance.now();
  const merged = { ...process.env, ...env };
  // What the test runner and an outer profiler would pass on to every child.
  delete merged.NODE_TEST_CONTEXT;
  for (const [name, value] of Object.entries(merged)) if (value === undefined) delete merged[name];
  const stdio = [stdin ?? (input === undefined ? 'ignore' : 'pipe'), 'pipe', 'pipe'];
  if (ipc) stdio.push('ipc');
  const child = spawn(command, args, { cwd, env: merged, stdio, detached: true });
  living.add(child);
  const output = { stdout: '', stderr: '' };
  child.output = output;
  child.stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text));
  if (input !== undefined) {
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  }
  let timedOut = false;
  child.killGroup = () => killGroup(child);
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, deadlineMs);
  child.done = new Promise((resolve) => {
    const finish = (code, signal) => {
      clearTimeout(timer);
      living.delete(child);
      resolve({ code, signal, ...output, timedOut, elapsedMs: (child.exitedAt ?? performance.now()) - started });
    };
    // Whatever it left behind goes with it; only then do its pipes close.
    child.on('exit', () => {
      child.exitedAt = performance.now();
      killGroup(child);
    });
    child.on('error', (error) => {
      output.stderr += `\n${error}`;
      finish(null, null);
    });
    child.on('close', finish);
  });
  child.waitFor = (text, ms = 10_000) =>
    new Promise((resolve, reject) => {
      const fail = (why) => {
        clearTimeout(wait);
        child.stdout.off('data', look);
        reject(new Error(`${why} while waiting for ${JSON.stringify(text)}\n${output.stdout}\n${output.stderr}`));
      };
      const look = () => {
        if (!output.stdout.includes(text)) return;
        clearTimeout(wait);
        child.stdout.off('data', look);
        resolve(output.stdout);
      };
      const wait = setTimeout(fail, ms, 'time ran out');
      child.stdout.on('data', look);
      child.done.then(() => (output.stdout.includes(text) ? look() : fail('the child ended')));
      look();
    });
  return child;
}

/** {@link launch}, then waits for the end. */
export function run(command, args, options) {
  return launch(command, args, options).done;
}

/** {@link run}, and throws unless the child exited with 0 in time; its output is in the message. */
export async function runOk(command, args, options) {
  const result = await run(command, args, options);
  if (result.code !== 0 || result.timedOut) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.timedOut ? 'its deadline' : (result.signal ?? result.code)}\n` +
        `${result.stdout}\n${result.stderr}`,
    );
  }
  return result;
}

/** Waits. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
