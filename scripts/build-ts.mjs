// Makes dist/, what is published, of the TypeScript. tsc checks it and emits build/, a module for each source, which unit tests import,
// and its declaration. What runs in the program of a user is then joined into one module, lib/core.js, and its parts (parts.mjs), and the command into
// another: a module costs Node some 40 KB and a third of a millisecond (Node 22: 60 modules, 2.2 MB, 20 ms), which every process that imports
// pronghorn would pay, and its forks too, since the kernel copies page tables. White space is left out (90 KB of 340); names stay, since
// profiles show them, and so do error stacks. The declarations become one for each door (scripts/build-declarations.mjs).
//
// Files are overwritten rather than deleted first, so that a program that is just starting from dist/ finds them.
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildDeclarations } from './build-declarations.mjs';
import { buildPage } from './build-page.mjs';
import { joinCore, PUBLISHED } from './parts.mjs';
import { root, run } from './steps.mjs';

const [emitted, dist] = ['build/', 'dist/'].map((name) => fileURLToPath(new URL(name, root)));
/** The doors are published as tsc has made them; they import lib/core.js, or require it. */
const DOORS = ['index.js', 'register.js', 'lib/cluster-agent.cjs'];
/** Their declarations, for programs in TypeScript. */
const DECLARED = ['index.d.ts', 'register.d.ts'];
/** A file keeps its place, so that paths relative to it mean the same. */
const COMMAND = 'cli.js';

/** Returns the paths of what was emitted, declarations included. */
async function compile() {
  const output = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--listEmittedFiles'], { quiet: true });
  return [...output.matchAll(/^TSFILE: (.*)$/gm)].map((match) => resolve(match[1].trim()));
}

function joinCommand() {
  return build({
    entryPoints: [join(emitted, COMMAND)],
    outfile: join(dist, COMMAND),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    // It runs in a process of its own, so its names are in nobody's profile: 22 KB less.
    minify: true,
    logLevel: 'warning',
  });
}

/** Removes what is not, or no longer, to be there. */
function removeStale(folder, current) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && !current.has(path)) rmSync(path);
  }
}

try {
  const compiled = await compile();
  const current = new Set(compiled);
  mkdirSync(dist, { recursive: true });
  for (const path of buildDeclarations(emitted, dist, DECLARED)) current.add(path);
  await joinCore(emitted, dist);
  await joinCommand();
  for (const file of DOORS) copyFileSync(join(emitted, file), join(dist, file));
  for (const file of [...DOORS, ...PUBLISHED, COMMAND]) current.add(join(dist, file));
  for (const path of await buildPage(dist)) current.add(path);
  removeStale(dist, current);
  removeStale(emitted, current);
  chmodSync(join(dist, COMMAND), 0o755);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
