// The peers' packages: installed here, by the lock file in bench/peers, and asked on each Node version whether they load there at all.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { contenders, isPeer } from '../contenders/index.mjs';
import { measure } from './child.mjs';

export const peersFolder = fileURLToPath(new URL('../peers/', import.meta.url));

/** Whether a package stands in bench/peers. */
export const installed = (packageName) => existsSync(`${peersFolder}node_modules/${packageName}/package.json`);

/** Installs what the lock file says, unless it stands there already. @returns why that failed, if it did */
export function installPeers() {
  if (existsSync(`${peersFolder}node_modules/.package-lock.json`)) return undefined;
  try {
    execFileSync('npm', ['ci', '--prefix', peersFolder, '--no-audit', '--no-fund'], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 300_000 });
    return undefined;
  } catch (error) {
    return `the peers could not be installed: ${String(error.stderr ?? error.message).trim().split('\n').at(-1)}`;
  }
}

/**
 * Which contenders run on which Node version.
 *
 * @returns for each major the names that do, and for those that do not the reason
 */
export async function contendersOn(majors, wanted) {
  const found = new Map();
  for (const major of majors) {
    const running = [];
    const missing = [];
    for (const { name, packageName } of contenders) {
      if (isPeer(name) && wanted !== undefined && !wanted.includes(name)) continue;
      if (packageName !== undefined && !installed(packageName)) {
        missing.push({ name, reason: 'not installed' });
        continue;
      }
      const { failure } = await measure(major, 'load', { contender: name, start: true }, { deadlineMs: 30_000 });
      if (failure === undefined) running.push(name);
      else missing.push({ name, reason: failure });
    }
    found.set(major, { running, missing });
  }
  return found;
}
