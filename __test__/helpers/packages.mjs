// The packages as they are published, installed as users install them: from tarballs, into an empty folder, with no Rust and no compiler to be
// found and no registry to be reached.
import { existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { makePackages } from '../../scripts/package.mjs';
import { runOk } from './child.mjs';
import { scratch } from './scratch.mjs';

let packed;
let complete;
let withoutNative;

/** The tarballs: the root package's, and the native half's for this machine. */
export function tarballs() {
  packed ??= makePackages(join(scratch(), 'packed')).then((all) => [all[0], all.find((path) => path.includes('pronghorn-linux-x64-gnu-'))]);
  return packed;
}

/** A folder with both installed. */
export function installed() {
  complete ??= tarballs().then(install);
  return complete;
}

/** A folder with the root package alone, as an installation with `--omit=optional` leaves it. */
export function installedWithoutNative() {
  withoutNative ??= tarballs().then(([rootPackage]) => install([rootPackage], ['--omit=optional']));
  return withoutNative;
}

async function install(files, flags = []) {
  const folder = scratch();
  const app = join(folder, 'app');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(app);
  // All that a command can be: npm starts scripts with a shell, and no package of ours has any.
  symlinkSync(process.execPath, join(folder, 'bin/node'));
  symlinkSync('/bin/sh', join(folder, 'bin/sh'));
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "version": "1.0.0", "private": true }\n');
  const env = {
    PATH: join(folder, 'bin'),
    HOME: folder,
    npm_config_cache: join(folder, 'cache'),
    npm_config_registry: 'http://127.0.0.1:1/',
    npm_config_userconfig: join(folder, 'npmrc'),
  };
  await runOk(process.execPath, [npm(), 'install', '--offline', '--no-audit', '--no-fund', ...flags, ...files], { cwd: app, env, deadlineMs: 300_000 });
  return app;
}

/** npm's script; its command is a link to it. */
function npm() {
  const command = process.env.PATH.split(delimiter)
    .map((folder) => join(folder, 'npm'))
    .find(existsSync);
  return realpathSync(command);
}
