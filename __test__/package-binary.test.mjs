// The native half as it is published: what it needs of the machine, what it tells about the one that built it, and how large the packages are.
// All other tests load this very file.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { readElf } from './helpers/elf.mjs';
import { nodePath, root } from './helpers/nodes.mjs';
import { installed } from './helpers/packages.mjs';

const FILE = 'pronghorn.linux-x64-gnu.node';
const path = join(root, FILE);
const binary = readElf(path);

/** "GLIBC_2.28" as a number that grows with the version. */
const minor = (version) => Number(/^GLIBC_2\.(\d+)(?:\.\d+)?$/.exec(version)?.[1] ?? Number.NaN);

it('it needs glibc 2.28 at most', () => {
  const glibc = binary.needs.filter(({ version }) => version.startsWith('GLIBC_'));
  assert.ok(glibc.length > 5, 'it uses glibc');
  for (const { library, version } of glibc) {
    assert.ok(minor(version) <= 28, `${version} of ${library}: built with "--plain"? Then it is for this machine alone, see scripts/build-native.mjs`);
  }
});

it('of each symbol that it needs it says which version: the loader of an older glibc refuses what it does not have', () => {
  const needed = binary.symbols.filter(({ defined, weak }) => !defined && !weak);
  assert.ok(needed.length > 50, `${needed.length}`);
  // zig knows versions of symbols that are newer than the glibc it links for as none.
  assert.deepEqual(needed.filter(({ versioned }) => !versioned).map(({ name }) => name), []);
});

it('the reading of versions finds what this machine has that is newer', () => {
  const versions = readElf(nodePath(20)).needs.map((need) => need.version);
  assert.ok(versions.includes('GLIBC_2.28') && versions.some((version) => version.startsWith('GLIBCXX_')), `${versions}`);
});

it('it needs the C library alone, and nothing that a minimal image lacks', () => {
  const allowed = new Set(['libc.so.6', 'ld-linux-x86-64.so.2', 'libpthread.so.0', 'libdl.so.2', 'libm.so.6', 'librt.so.1']);
  for (const library of binary.libraries) assert.ok(allowed.has(library), library);
});

it('it offers one symbol, the one that Node looks for', () => {
  assert.deepEqual(
    binary.symbols.filter((symbol) => symbol.defined).map((symbol) => symbol.name),
    ['napi_register_module_v1'],
  );
});

it('it has no symbols for debuggers, and names no folder of the machine that built it', () => {
  for (const name of ['.symtab', '.strtab']) assert.ok(!binary.sections.includes(name), name);
  assert.ok(!binary.sections.some((name) => name.startsWith('.debug')));
  const text = readFileSync(path, 'latin1');
  for (const folder of [homedir(), root]) assert.ok(!text.includes(folder), `${folder} in ${FILE}: ${text.slice(text.indexOf(folder), text.indexOf(folder) + 80)}`);
});

/** The goal; docs/measurements.md says what it is made of. */
const MOST_BYTES = 2_000_000;

it('an installation has this binary, and 2 MB at most in all', async (context) => {
  const folder = join(await installed(), 'node_modules');
  assert.deepEqual(readFileSync(join(folder, 'pronghorn-linux-x64-gnu', FILE)), readFileSync(path));
  const sizes = ['pronghorn', 'pronghorn-linux-x64-gnu'].map((name) => sizeOf(join(folder, name)));
  const sum = sizes.reduce((all, size) => all + size);
  context.diagnostic(`${sizes.join(' + ')} = ${sum} bytes`);
  assert.ok(sum <= MOST_BYTES, `${sizes.join(' + ')} = ${sum} bytes`);
});

function sizeOf(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}
