// The package as it is published, but for a native half with failpoints and accessors: what the tests hold threads and look inside with.
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, place } from './fixture.mjs';
import { root } from './nodes.mjs';

const FOLDER = 'failpoint-package';

let assembled;

/** The folder of the package, assembled when needed: dist/, package.json and the binary, where the normal loader looks for it. */
export function failpointPackage() {
  assembled ??= assemble();
  return assembled;
}

async function assemble() {
  const library = await build('pronghorn-node', ['--profile', 'failpoints', '--features', 'failpoints']);
  const folder = join(root, '__test__', FOLDER);
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
  place(join(root, 'package.json'), FOLDER, 'package.json');
  place(library, FOLDER, 'pronghorn.linux-x64-gnu.node');
  return folder;
}
