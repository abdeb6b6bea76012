// Compiles the TypeScript into dist/, bundles the page of `pronghorn flame`, removes what earlier sources have left there, and makes the command executable. Files are
// overwritten rather than deleted first, so that a program that is just starting from dist/ finds them.
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.mjs';
import { root, run } from './steps.mjs';

const dist = fileURLToPath(new URL('dist/', root));
const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--listEmittedFiles'];
let output;
try {
  output = await run(process.execPath, tsc, { quiet: true });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const emitted = new Set([...output.matchAll(/^TSFILE: (.*)$/gm)].map((match) => match[1].trim()));
for (const file of await buildPage(dist)) emitted.add(file);
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (entry.isFile() && !emitted.has(path)) rmSync(path);
}
chmodSync(join(dist, 'cli.js'), 0o755);
