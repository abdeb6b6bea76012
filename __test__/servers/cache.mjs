// Where the built servers of the tests are kept: one file a server, named after what it was built from.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Not in git; removing it costs a build. */
export const cache = fileURLToPath(new URL('cache/', import.meta.url));

/** What `go build` gets besides the package: the locked versions only, no debug information, and nothing optimized, which saves a quarter of the time. */
export const buildFlags = ['-mod=readonly', '-buildvcs=false', '-trimpath', '-gcflags=all=-N -l -dwarf=false', '-ldflags=-s -w'];

/** The servers, the folders of their modules here, and the package to build. */
export const servers = [
  { name: 'collector', folder: folderOf('collector'), package: '.' },
  { name: 'parca', folder: folderOf('parca'), package: 'github.com/parca-dev/parca/cmd/parca' },
];

function folderOf(name) {
  return fileURLToPath(new URL(`${name}/`, import.meta.url));
}

/** The file that a server stands in, there or not. */
export function fileOf({ name, folder, package: target }) {
  const hash = createHash('sha256').update(JSON.stringify([target, buildFlags]));
  for (const source of readdirSync(folder).sort()) hash.update(source).update(readFileSync(folder + source));
  return `${cache}${name}-${hash.digest('hex').slice(0, 16)}`;
}

/** Removes what the same server was before. */
export function removeOthers(server) {
  const current = fileOf(server);
  for (const file of readdirSync(cache)) {
    if (file.startsWith(`${server.name}-`) && cache + file !== current) rmSync(cache + file, { force: true });
  }
}

/**
 * The executable of a server.
 *
 * @param {'parca' | 'collector'} name
 * @throws with the command that builds it, when it is missing
 */
export function serverPath(name) {
  const file = fileOf(servers.find((server) => server.name === name));
  if (!existsSync(file)) throw new Error(`${file} is missing: run "node __test__/servers/build.mjs"`);
  return file;
}
