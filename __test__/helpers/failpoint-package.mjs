// The package as it is published, but for a native half with failpoints and accessors: what the tests hold threads and look inside with.
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BINARY } from './binary.mjs';
import { build, place } from './fixture.mjs';
import { root } from './nodes.mjs';

const assembled = new Map();

/** The folder of the package, assembled when needed: dist/, package.json and the binary, where the normal loader looks for it. */
export const failpointPackage = () => packageOf('failpoints');

/** The same, with the names and lines of all functions in the binary, also of those that the compiler has put into others. */
export const namedPackage = () => packageOf('named');

/** @param {'failpoints' | 'named'} profile of Cargo.toml's */
function packageOf(profile) {
  if (!assembled.has(profile)) assembled.set(profile, assemble(profile, `${profile === 'failpoints' ? 'failpoint' : profile}-package`));
  return assembled.get(profile);
}

async function assemble(profile, name) {
  const library = await build('pronghorn-node', ['--profile', profile, '--features', 'failpoints']);
  const folder = join(root, '__test__', name);
  mkdirSync(folder, { recursive: true });
  const fresh = join(folder, `dist.${process.pid}`);
  const old = join(folder, `dist.${process.pid}.old`);
  cpSync(join(root, 'dist'), fresh, { recursive: true });
  try {
    renameSync(join(folder, 'dist'), old);
  } catch {
    // The first time there is none.
  }
  renameSync(fresh, join(folder, 'dist'));
  rmSync(old, { recursive: true, force: true });
  place(join(root, 'package.json'), name, 'package.json');
  place(library, name, BINARY);
  return folder;
}
