// A check of `npm run lint`: every package in the lock files, Rust's and npm's, has a licence that deny.toml allows, and every direct dependency has
// its reason in CONTRIBUTING.md. What is known to be vulnerable is cargo-deny's and npm's to say, who have to ask the network for it:
// .github/workflows/dependencies.yml.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { root } from './steps.mjs';

const WORKSPACES = ['Cargo.toml', 'fuzz/Cargo.toml'];
const PACKAGES = ['package.json', 'bench/peers/package.json', '__test__/isolated-vm/package.json', '__test__/nodes/package.json'];

const read = (path) => readFileSync(new URL(path, root), 'utf8');

/**
 * The licences that deny.toml allows.
 *
 * @param {string} toml
 * @returns {Set<string>}
 */
export function allowedLicences(toml) {
  const list = /^\[licenses\][^[]*?^allow = \[([^\]]*)\]/ms.exec(toml)?.[1];
  const names = [...(list ?? '').matchAll(/"([^"]+)"/g)].map((match) => match[1]);
  if (names.length === 0) throw new Error('deny.toml: no list of licences');
  return new Set(names);
}

/**
 * Whether an SPDX expression leaves a choice that is allowed. AND binds closer than OR; a slash is the OR of older crates.
 *
 * @param {string | null | undefined} expression
 * @param {Set<string>} allowed
 */
export function isAllowed(expression, allowed) {
  const words = (expression ?? '').replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const one = () => {
    if (words[at] !== '(') return allowed.has(words[at++]);
    at += 1;
    const inside = either();
    return words[at++] === ')' && inside;
  };
  const all = () => {
    let yes = one();
    for (; words[at] === 'AND'; yes = one() && yes) at += 1;
    return yes;
  };
  const either = () => {
    let yes = all();
    for (; words[at] === 'OR'; yes = all() || yes) at += 1;
    return yes;
  };
  return either() && at === words.length;
}

/** The packages of a Cargo workspace: all that its lock file names, for whatever platform. */
function crates(manifest) {
  const options = { cwd: root, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] };
  const text = execFileSync('cargo', ['metadata', '--format-version', '1', '--locked', '--manifest-path', manifest], options);
  const { packages, workspace_members: members } = JSON.parse(text);
  const own = packages.filter(({ id }) => members.includes(id));
  const direct = own.flatMap(({ dependencies }) => dependencies.filter(({ path }) => path === undefined).map(({ name }) => name));
  return { direct, all: packages.map(({ name, version, license }) => ({ name: `${name} ${version}`, licence: license })) };
}

/** The packages of an npm lock file but the one that it is of. */
function modules(manifest) {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(read(manifest));
  const { packages } = JSON.parse(read(manifest.replace('package.json', 'package-lock.json')));
  const all = Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, { version, license }]) => ({ name: `${path.split('node_modules/').at(-1)} ${version}`, licence: license }));
  return { direct: [...Object.keys(dependencies), ...Object.keys(devDependencies)], all };
}

/** Whether a text names a dependency, as a word of its own. */
export function mentions(text, dependency) {
  return new RegExp(`(^|[^\\w@/-])${dependency.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}($|[^\\w/-])`, 'm').test(text);
}

function main() {
  const allowed = allowedLicences(read('deny.toml'));
  const contributing = read('CONTRIBUTING.md');
  const problems = [];
  let count = 0;
  for (const { direct, all } of [...WORKSPACES.map(crates), ...PACKAGES.map(modules)]) {
    for (const { name, licence } of all) if (!isAllowed(licence, allowed)) problems.push(`${name}: ${licence ?? 'no licence'}`);
    for (const name of new Set(direct)) if (!mentions(contributing, name)) problems.push(`${name}: no reason in CONTRIBUTING.md`);
    count += all.length;
  }
  for (const problem of problems) console.error(problem);
  console.log(`${count} packages, ${problems.length} problems`);
  process.exitCode = problems.length === 0 && count > 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
