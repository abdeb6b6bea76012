// A second copy of the package as an installation would hold it: no symlink, a binary of its own.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './nodes.mjs';
import { scratch } from './scratch.mjs';

/** Makes one, and returns its folder. */
export function copyOfPackage() {
  const folder = join(scratch(), 'node_modules/pronghorn');
  mkdirSync(folder, { recursive: true });
  const files = ['package.json', 'dist', 'native.cjs', ...readdirSync(root).filter((name) => name.endsWith('.node'))];
  for (const name of files) cpSync(join(root, name), join(folder, name), { recursive: true });
  return folder;
}
