// A run with the addon loaded, under valgrind's memcheck: `node scripts/valgrind.mjs [--majors 20,26]`, a step of `npm run test:long`.
//
// Node under valgrind has errors of its own, so an error counts if a frame of its stack, or of where its memory came from, lies in our object. V8 compiles
// nothing (--jitless): memcheck would have to translate each version of each function anew.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from '../__test__/helpers/child.mjs';
import { majors as every, nodePath } from '../__test__/helpers/nodes.mjs';
import { installValgrind } from './install-valgrind.mjs';

const OURS = /pronghorn[^/\s]*\.node/;
const at = process.argv.indexOf('--majors');
const majors = at < 0 ? [every[0], every.at(-1)] : process.argv[at + 1].split(',').map(Number);

/**
 * The errors of a log of memcheck's, each the text of its stacks.
 *
 * @param {string} log
 * @returns {{ all: string[], ours: string[] }} those with a frame of ours are in both
 */
export function errorsOf(log) {
  const paragraphs = log.replaceAll(/^==\d+== ?/gm, '').split(/\n\s*\n/);
  const all = paragraphs.filter((text) => /^\s+(at|by) 0x/m.test(text));
  return { all, ours: all.filter((text) => OURS.test(text)) };
}

async function check(major) {
  const folder = mkdtempSync(join(tmpdir(), 'pronghorn-valgrind-'));
  try {
    const args = ['--tool=memcheck', '--error-limit=no', '--num-callers=40', '--fair-sched=yes', '--leak-check=no', `--log-file=${join(folder, 'log.%p')}`];
    const child = launch('valgrind', [...args, nodePath(major), '--jitless', '__test__/valgrind/program.mjs'], { deadlineMs: 20 * 60_000 });
    const result = await child.done;
    const [line] = /^END .*$/m.exec(result.stdout) ?? [];
    if (line === undefined || result.code !== 0) throw new Error(`ended with ${result.timedOut ? 'its deadline' : (result.signal ?? result.code)}: ${result.stdout} ${result.stderr}`);
    const { all: errors, ours } = errorsOf(readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')).join('\n\n'));
    console.log(`Node ${major}: ${line.slice(4)}; ${errors.length} errors, ${ours.length} with a frame of ours`);
    for (const text of ours.slice(0, 5)) console.log(text);
    return ours.length === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  await installValgrind();
  let failed = 0;
  for (const major of majors) {
    try {
      if (!(await check(major))) failed++;
    } catch (error) {
      failed++;
      console.log(`Node ${major}: ${error.message}`);
    }
  }
  console.log(`${majors.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
