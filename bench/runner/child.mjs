// Runs one measurement in a process of its own: a program of bench/programs, which prints its result as the last line, in JSON.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nodePath, root } from '../../__test__/helpers/nodes.mjs';

export const programPath = (name) => fileURLToPath(new URL(`../programs/${name}.mjs`, import.meta.url));

/** What the measured processes see of the environment: nothing that would switch a profiler on or change how Node runs. */
export function cleanEnvironment() {
  const names = Object.keys(process.env).filter((name) => !/^(NODE_|PRONGHORN_|OTEL_|DD_|SENTRY_)/.test(name));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

/**
 * @param {number} major
 * @param {string} program its name
 * @param {object} settings
 * @returns what the program printed; `{ failure }` if it failed, so that one cell of a table does not cost the others
 */
export function measure(major, program, settings, { flags = [], deadlineMs = 120_000 } = {}) {
  const args = [...flags, programPath(program), JSON.stringify(settings)];
  const options = { cwd: root, env: cleanEnvironment(), encoding: 'utf8', timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(nodePath(major), args, options, (error, stdout, stderr) => {
      if (error !== null) return resolve({ failure: reasonOf(error, stderr, deadlineMs) });
      try {
        resolve(JSON.parse(stdout.trimEnd().split('\n').at(-1)));
      } catch {
        resolve({ failure: `printed no result: ${stdout.slice(-200)}` });
      }
    });
  });
}

/** In a few words, for a table: the error's own line, not the stack, and no paths of this machine. */
function reasonOf(error, stderr, deadlineMs) {
  if (error.killed) return `no result within ${deadlineMs / 1_000} s`;
  const line = stderr.split('\n').find((text) => /^\s*(\w*Error|\[?ERR_|#|Fatal|FATAL)/.test(text)) ?? `ended with ${error.signal ?? error.code}`;
  return line.trim().replaceAll(root, '').slice(0, 160);
}
