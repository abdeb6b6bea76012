// Runs a script of ../scenarios on one Node major: a program that reports what it saw as one JSON object.
import { fileURLToPath } from 'node:url';
import { launch } from './child.mjs';
import { fixturePath } from './fixture.mjs';
import { nodePath } from './nodes.mjs';
import { scratch } from './scratch.mjs';
import { tally } from './tally.mjs';

/** Starts a scenario. `settings` reach it as JSON; `flags` are Node's. The child has `report()`, which waits for its answer. */
export async function launchScenario(name, major, settings = {}, { flags = [], deadlineMs = 30_000, wrap, ...rest } = {}) {
  const file = fileURLToPath(new URL(`../scenarios/${name}.mjs`, import.meta.url));
  const out = scratch();
  const all = [...flags, file, JSON.stringify({ out, fixture: await fixturePath(), ...settings })];
  const [command, args] = wrap === undefined ? [nodePath(major), all] : wrap(nodePath(major), all);
  const child = launch(command, args, { deadlineMs, ...rest });
  child.out = out;
  child.report = async () => {
    const result = await child.done;
    const line = result.stdout.split('\n').find((text) => text.startsWith('REPORT '));
    if (line === undefined || result.code !== 0) {
      const end = result.timedOut ? 'its deadline' : (result.signal ?? result.code);
      throw new Error(`${name} on Node ${major} ended with ${end}\n${result.stdout}\n${result.stderr}`);
    }
    const report = JSON.parse(line.slice('REPORT '.length));
    tally(report);
    return { ...report, out, stderr: result.stderr };
  };
  return child;
}

/** {@link launchScenario}, then its report. */
export async function runScenario(...parameters) {
  return (await launchScenario(...parameters)).report();
}
