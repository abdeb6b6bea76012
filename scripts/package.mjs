// `npm run package`: the tarballs that are published, in packed/: the root package, and one for each native half that has been built. What npm
// gets is laid out in packed/<name> first, so that no publishing ever touches the checkout.
//
// The root names as optional dependencies the native halves packed with it, in this very version, and no others: a platform whose build or
// tests failed is not promised to anybody. The pages of docs/ (100 KB, and a picture of 160) stay in the repository.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './steps.mjs';
import { targets } from './targets.mjs';

const base = fileURLToPath(root);

/**
 * @param {string} [folder] where to
 * @returns {Promise<string[]>} the tarballs, the root's first
 */
export async function makePackages(folder = join(base, 'packed')) {
  rmSync(folder, { recursive: true, force: true });
  const built = targets.filter(({ name }) => existsSync(join(base, `pronghorn.${name}.node`)));
  if (built.length === 0) throw new Error('there is no native half: run "npm run build" first');
  layOutRoot(join(folder, 'pronghorn'), built);
  for (const { name } of built) layOutNative(join(folder, `pronghorn-${name}`), name);
  for (const { name } of built) checkSize(folder, name);
  const tarballs = [];
  for (const name of ['pronghorn', ...built.map((target) => `pronghorn-${target.name}`)]) {
    const output = await run('npm', ['pack', join(folder, name), '--pack-destination', folder, '--json', '--ignore-scripts'], { quiet: true });
    tarballs.push(join(folder, JSON.parse(output.slice(output.indexOf('[')))[0].filename));
  }
  return tarballs;
}

function layOutRoot(to, built) {
  cpSync(join(base, 'dist'), join(to, 'dist'), { recursive: true });
  for (const name of ['README.md', 'LICENSE']) copyFileSync(join(base, name), join(to, name));
  const { name, version, description, license, keywords, type, engines, exports, bin } = readJson('package.json');
  const optionalDependencies = Object.fromEntries(built.map((target) => [`pronghorn-${target.name}`, version]));
  writeJson(join(to, 'package.json'), { name, version, description, license, ...repository(), keywords, type, engines, exports, bin, optionalDependencies });
}

function layOutNative(to, name) {
  mkdirSync(to, { recursive: true });
  const manifest = readJson(`npm/${name}/package.json`);
  const { version } = readJson('package.json');
  if (manifest.version !== version) throw new Error(`npm/${name}/package.json has version ${manifest.version}, package.json ${version}`);
  writeJson(join(to, 'package.json'), { ...manifest, ...repository() });
  copyFileSync(join(base, 'LICENSE'), join(to, 'LICENSE'));
  copyFileSync(join(base, manifest.main), join(to, manifest.main));
}

/** What a platform's user gets installed, both packages together, in bytes. */
const MOST_BYTES = 2_000_000;

function checkSize(folder, name) {
  const bytes = ['pronghorn', `pronghorn-${name}`].reduce((sum, each) => sum + sizeOf(join(folder, each)), 0);
  if (bytes > MOST_BYTES) throw new Error(`${name}: ${bytes} bytes would be installed, ${MOST_BYTES} may be`);
}

function sizeOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** Where the sources are: a publication with provenance has to say it, and only the pipeline that makes one knows it. */
function repository() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
  return server && name ? { repository: { type: 'git', url: `git+${server}/${name}.git` } } : {};
}

function readJson(path) {
  return JSON.parse(readFileSync(join(base, path), 'utf8'));
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tarballs = await makePackages(process.argv[2] === undefined ? undefined : resolve(process.argv[2]));
  console.log(tarballs.join('\n'));
}
