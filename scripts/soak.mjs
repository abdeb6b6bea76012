// `npm run soak`: the program of __test__/soak for an hour, on one Node version after the other or on those that are asked for.
//
//   node scripts/soak.mjs [--minutes N] [--majors 20,26] [--leak memory,descriptors,threads,mappings] [--save FOLDER]
//
// The minutes are those of each version. With --leak the program leaks on purpose, and the soak has to fail. With --save what each round held is written
// to FOLDER/soak-MAJOR.json, for those who want to see the course of it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { majors as all } from '../__test__/helpers/nodes.mjs';
import { soak } from '../__test__/soak/soak.mjs';
import { BOUNDS } from '../__test__/soak/verdict.mjs';

const args = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : args[at + 1];
};
const minutes = Number(option('minutes', '60'));
if (!(minutes > 0)) throw new Error('--minutes takes a number above 0');
const majors = option('majors', all.join()).split(',').map(Number);
const leak = option('leak')?.split(',');
const folder = option('save');
if (folder !== undefined) mkdirSync(folder, { recursive: true });

console.log(`bounds: ${JSON.stringify(BOUNDS)}`);
let failed = 0;
for (const major of majors) {
  const { before, grown, leaked, rounds, course, uploads, end } = await soak(major, { ms: minutes * 60_000, roundMs: 1000, leak });
  if (folder !== undefined) writeFileSync(join(folder, `soak-${major}.json`), JSON.stringify(course));
  if (leaked.length > 0) failed++;
  console.log(`${leaked.length > 0 ? `LEAKED ${leaked}` : 'ok'}  Node ${major}: ${rounds} rounds, ${uploads} uploads, ${end.samples} samples, ${end.droppedSamples} dropped`);
  console.log(`  warm ${JSON.stringify(before)}\n  grown ${JSON.stringify(grown)}`);
}
console.log(`${majors.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
