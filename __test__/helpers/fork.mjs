// Runs a program of ../scenarios that really forks, on one Node major, with the flags that a forking program needs.
//
// A program writes what it and its children saw into files named by process id (forking.mjs), since all share one stdout. It and all that it left
// behind end at the deadline: its process group, and whoever carries its mark in the environment, a daemon too. Nothing else is ever signalled.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './child.mjs';
import { failpointPackage } from './failpoint-package.mjs';
import { fixturePath, forkFixturePath } from './fixture.mjs';
import { nodePath, root } from './nodes.mjs';
import { scratch } from './scratch.mjs';
import { tally } from './tally.mjs';

/** What Node needs for a fork whose child goes on running JavaScript: no threads of V8's that the child would lack. */
export const FORKING = ['--single-threaded', '--v8-pool-size=1'];

/**
 * Runs one scenario of a forking program to its end.
 *
 * Input: the file ../scenarios/fork-<program>.mjs; the name of the scenario in it; `settings` for it; `failpoints`: whether with the native half that
 * has them; `flags` of Node's besides {@link FORKING}; `daemon`: the program ends at once, and what it left behind is waited for.
 * Output: `{ report, lines, stderr, out, code, signal }`: what the program reported, and every line that any of its processes wrote.
 * Throws with all their output when the program ended otherwise than with a report and `code` 0 (`expected`), or passed its deadline.
 */
export async function runFork(program, scenario, major, settings = {}, options = {}) {
  const { failpoints = false, flags = [], deadlineMs = 60_000, env = {}, daemon = false, expected = ({ code }) => code === 0 } = options;
  const file = fileURLToPath(new URL(`../scenarios/fork-${program}.mjs`, import.meta.url));
  const out = scratch();
  const all = {
    out,
    scenario,
    forkFixture: await forkFixturePath(),
    fixture: await fixturePath(),
    package: failpoints ? await failpointPackage() : root,
    failpoints,
    ...settings,
  };
  const node = [nodePath(major), ...FORKING, ...flags, file, JSON.stringify(all)];
  const [command, ...args] = daemon ? ['sh', '-c', WAIT_FOR_DAEMON, join(out, 'done'), ...node] : node;
  const mark = `PRONGHORN_TEST_RUN=${randomUUID()}`;
  const [name, value] = mark.split('=');
  const child = launch(command, args, { deadlineMs, env: { ...env, [name]: value } });
  const result = await child.done;
  const left = killMarked(mark);
  const lines = linesOf(out);
  const report = lines.find((line) => line.kind === 'report');
  if (result.timedOut || !expected(result) || (report === undefined && !daemon)) {
    const end = result.timedOut ? 'its deadline' : (result.signal ?? result.code);
    const seen = lines.map((line) => JSON.stringify(line)).slice(-40).join('\n');
    throw new Error(`fork-${program} ${scenario} on Node ${major} ended with ${end}\n${seen}\n${result.stdout}\n${result.stderr}`);
  }
  tally(report?.value, { children: lines.filter((line) => line.kind === 'child').length });
  return { report: report?.value, lines, stderr: result.stderr, stdout: result.stdout, out, code: result.code, signal: result.signal, left };
}

/** A shell that runs the program and then waits until the daemon has written its last file; the deadline is the caller's. */
const WAIT_FOR_DAEMON = '"$@"; code=$?; while [ ! -e "$0" ]; do sleep 0.05; done; exit $code';

/** What the processes of a run wrote, file by file. */
function linesOf(out) {
  return readdirSync(out)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(out, name), 'utf8').trim().split('\n'))
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Ends every process with this mark in its environment, and returns how many there were. */
function killMarked(mark) {
  let count = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!existsSync(`/proc/${pid}/environ`) || !readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)) continue;
      // One that has ended and waits for its parent has no environment any more, so this one lives.
      process.kill(Number(pid), 'SIGKILL');
      count += 1;
    } catch {
      // It has ended in between, or belongs to somebody else.
    }
  }
  return count;
}
