// A run with the addon loaded, under valgrind's memcheck: `node scripts/valgrind.mjs [--majors 20,26]`, a step of `npm run test:long`.
//
// Node under valgrind has errors of its own, so an error counts if a frame of its stack, or of where its memory came from, lies in our object. V8 compiles
// nothing (--jitless): memcheck would have to translate each version of each function anew. The native half is a build with names.
//
// What our readers do on purpose is in KNOWN, with the function that does it: nothing else is.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from '../__test__/helpers/child.mjs';
import { namedPackage } from '../__test__/helpers/failpoint-package.mjs';
import { fixturePath, forkFixturePath } from '../__test__/helpers/fixture.mjs';
import { FORKING } from '../__test__/helpers/fork.mjs';
import { majors as every, nodePath } from '../__test__/helpers/nodes.mjs';
import { installValgrind } from './install-valgrind.mjs';
import { duration } from './steps.mjs';

/** A frame of ours, by its object, its source or its name: valgrind shows one or two of them. */
const OURS = /pronghorn[^/\s]*\.node|\(pronghorn-[\w-]+\/|\bpronghorn_\w/;
/** A stack pointer that moves further than this has gone to another stack: that of the ticker lies close to the one that the C library gave it. */
const STACK_APART = 32_768;
const at = process.argv.indexOf('--majors');
const majors = at < 0 ? [every[0], every.at(-1)] : process.argv[at + 1].split(',').map(Number);

/** What our readers do on purpose, by the first lines of an error. Nothing else is forgiven. */
const KNOWN = [
  // Reads memory that may not be there; that is what the loads are for, and a fault in them is survived.
  /^Invalid read of size \d+\s+at 0x\w+: pronghorn_v8_load_/,
  // Looks through the isolate word by word, and V8 leaves some of them as they were.
  /^Conditional jump or move depends on uninitialised value\(s\)(\n\s+(at|by) 0x\w+: [^\n]*){0,3}\(pronghorn-v8\/src\/async_store\.rs:\d+\)/,
  // The same in the object of a worker, for the one that has its name.
  /^Conditional jump or move depends on uninitialised value\(s\)(\n\s+(at|by) 0x\w+: [^\n]*){0,3}\(pronghorn-sampler\/src\/discovery\/worker_object\.rs:\d+\)/,
  // A signal may come while a frame is being built, or where a register has another use already: what is looked for there may not be written yet.
  /^Conditional jump or move depends on uninitialised value\(s\)(\n\s+(at|by) 0x\w+: [^\n]*){0,3}(bytecode_handler|pronghorn_v8::frame::handler_offset)\S* \(pronghorn-v8\/src\/frame\.rs:\d+\)/,
];

/**
 * The errors of a log of memcheck's, each the text of its stacks.
 *
 * @param {string} log
 * @returns {{ all: string[], known: string[], ours: string[] }} those with a frame of ours are in one of the others, too
 */
export function errorsOf(log) {
  // A warning about stacks may stand right in front of an error.
  const plain = log.replaceAll(/^==\d+== ?/gm, '').replaceAll(/^Warning: client switching stacks.*\n(\s+(to suppress|further instances).*\n)*/gm, '');
  const paragraphs = plain.split(/\n\s*\n/).map((text) => text.trim());
  const all = paragraphs.filter((text) => /^\s+(at|by) 0x/m.test(text));
  const ofUs = all.filter((text) => OURS.test(text));
  const known = ofUs.filter((text) => KNOWN.some((what) => what.test(text)));
  return { all, known, ours: ofUs.filter((text) => !known.includes(text)) };
}

async function check(major) {
  const folder = mkdtempSync(join(tmpdir(), 'pronghorn-valgrind-'));
  try {
    const args = ['--tool=memcheck', '--error-limit=no', '--num-callers=40', '--fair-sched=yes', '--leak-check=no', '--fullpath-after=crates/', `--max-stackframe=${STACK_APART}`, `--log-file=${join(folder, 'log.%p')}`];
    const out = join(folder, 'out');
    mkdirSync(out);
    const settings = { out, scenario: 'all', fixture: await fixturePath(), forkFixture: await forkFixturePath(), package: await namedPackage() };
    const node = [nodePath(major), ...FORKING, '--jitless', '__test__/valgrind/program.mjs', JSON.stringify(settings)];
    const { code, signal, timedOut, stdout, stderr, elapsedMs } = await launch('valgrind', [...args, ...node], { deadlineMs: 25 * 60_000 }).done;
    const logs = readdirSync(folder).filter((name) => name.startsWith('log.'));
    const { all: errors, known, ours } = errorsOf(logs.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n\n'));
    for (const text of ours) console.log(text);
    const lines = readdirSync(out).flatMap((name) => readFileSync(join(out, name), 'utf8').trim().split('\n')).map((line) => JSON.parse(line));
    const report = lines.find(({ kind }) => kind === 'report')?.value;
    if (report === undefined || code !== 0) throw new Error(`ended with ${timedOut ? 'its deadline' : (signal ?? code)}: ${stdout} ${stderr} ${JSON.stringify(lines)}`);
    const { sessions, rotations, threads, samples, child } = report;
    console.log(
      `Node ${major}, in ${duration(elapsedMs)}: ${sessions} sessions, ${rotations} rotations, ${samples} samples of ${threads} threads, ${child.rotated + child.stopped} in a forked child; ` +
        `${errors.length} errors in ${logs.length} processes, ${ours.length} with a frame of ours, and ${known.length} of loads that may fail`,
    );
    // A program that has not come so far has not tested much.
    if (threads < 2 || child.rotated === 0 || child.stopped === 0) throw new Error(`it was not sampled everywhere: ${JSON.stringify(report)}`);
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
