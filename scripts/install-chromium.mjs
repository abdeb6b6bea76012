// Debian's chromium, for the tests of the flame graph page: looked for, and installed where apt-get can do it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { run } from './steps.mjs';

/** Runs as a part of npm test, or by itself: node scripts/install-chromium.mjs */
export async function installChromium() {
  if (chromiumIsThere()) return '';
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env, quiet: true, minutes: 5 });
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], { env, quiet: true, minutes: 15 });
  return '';
}

export function chromiumIsThere() {
  return spawnSync('chromium', ['--version']).status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await installChromium();
