// Runs the commands of the other scripts: each with a deadline, its output passed on, its time taken.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const root = new URL('../', import.meta.url);

/** Groups of processes that are under way: whoever ends us ends them. */
const groups = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const group of groups) killGroup(group);
    process.exit(130);
  });
}

/**
 * Runs a command in the root of the checkout.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, minutes?: number, capture?: boolean, quiet?: boolean }} [options] `capture` collects the output
 *   as well as showing it; `quiet` shows it only if the command fails; `minutes` is the deadline
 * @returns {Promise<string>} the captured output
 * @throws if the command fails, dies of a signal or passes its deadline; the error's `output` is what was captured
 */
export function run(command, args, { env = {}, minutes = 10, capture = false, quiet = false } = {}) {
  const collect = capture || quiet;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: fileURLToPath(root),
      env: { ...process.env, ...env },
      stdio: collect ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      // A group of its own, so that a deadline ends what the command started, too.
      detached: true,
    });
    if (child.pid !== undefined) groups.add(child.pid);
    const chunks = [];
    const take = (stream) => (chunk) => {
      chunks.push(chunk);
      if (!quiet) stream.write(chunk);
    };
    child.stdout?.on('data', take(process.stdout));
    child.stderr?.on('data', take(process.stderr));

    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      killGroup(child.pid);
    }, minutes * 60_000);
    const finish = (problem) => {
      clearTimeout(deadline);
      groups.delete(child.pid);
      const output = Buffer.concat(chunks).toString();
      if (problem === undefined) return resolve(output);
      if (quiet) process.stdout.write(output);
      reject(Object.assign(new Error(`${[command, ...args].join(' ')}: ${problem}`), { output }));
    };
    child.on('error', (error) => finish(error.message));
    child.on('close', (code, signal) => {
      if (late) finish(`not done after ${minutes} minutes`);
      else if (signal !== null) finish(`killed by ${signal}`);
      else finish(code === 0 ? undefined : `exit code ${code}`);
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** A time as people read it: "8.3 s", "2 min 5 s". */
export function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
