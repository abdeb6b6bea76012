// Debian's valgrind, for the check of `npm run test:long` that loads the addon under it: looked for, and installed where apt-get can do it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { run } from './steps.mjs';

/** Runs as a part of npm run test:long, or by itself: node scripts/install-valgrind.mjs */
export async function installValgrind() {
  if (valgrindIsThere()) return '';
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env, quiet: true, minutes: 5 });
  // Its redirections need the symbols of the dynamic linker, which are in libc6-dbg.
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'valgrind', 'libc6-dbg'], { env, quiet: true, minutes: 15 });
  return '';
}

export function valgrindIsThere() {
  return spawnSync('valgrind', ['--version']).status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await installValgrind();
