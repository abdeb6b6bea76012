// Every native function named in lib/ exists, and every native export is used; and what must not be in the published binary is not in it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from './helpers/child.mjs';
import { failpointPackage } from './helpers/failpoint-package.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';

/** Names called on something called "native" or "#native" in TypeScript, which is how lib/ speaks to the native half. */
function namesUsed() {
  const names = new Set();
  for (const file of readdirSync(join(root, 'lib'), { recursive: true }).filter((name) => name.endsWith('.ts'))) {
    const source = readFileSync(join(root, 'lib', file), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
    for (const [, name] of source.matchAll(/\b#?native\.(\w+)\(/g)) names.add(name);
    // The loader asks the candidate before it is the native half.
    if (file === 'native.ts') for (const [, name] of source.matchAll(/\bcandidate\.(\w+)\(/g)) names.add(name);
  }
  return names;
}

/** The functions of the binary; napi's loader adds a text of its own. */
function exported() {
  const native = createRequire(join(root, 'package.json'))('#native');
  return Object.keys(native).filter((name) => typeof native[name] === 'function');
}

it('every native function named in lib/ exists', () => {
  const have = new Set(exported());
  const used = namesUsed();
  assert.ok(used.size >= 8, `${[...used]}`);
  for (const name of used) assert.ok(have.has(name), `${name} is called and not exported`);
});

it('every native export is used', () => {
  const used = namesUsed();
  for (const name of exported()) assert.ok(used.has(name), `${name} is exported and not used`);
});

it('the declared interface is the exported one', () => {
  const source = readFileSync(join(root, 'lib/native-api.ts'), 'utf8');
  const body = /export interface NativeApi \{([^]*?)\n\}/.exec(source)[1].replace(/\/\*[^]*?\*\//g, '');
  const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]);
  assert.deepEqual(declared.sort(), exported().sort());
});

const BINARY = 'pronghorn.linux-x64-gnu.node';
/** All of a binary as text: what it imports, what it looks up by name, and what it says. */
const textOf = (folder) => readFileSync(join(folder, BINARY), 'latin1');

it('the binary neither imports nor looks up what a child would share with its parent, nor makes anybody’s loop anew', () => {
  const text = textOf(root);
  for (const there of ['pthread_atfork', 'madvise', 'uv_prepare_start']) assert.ok(text.includes(there), `${there} is not found either: the search does not work`);
  // An inherited descriptor of these kinds is the parent's as well. uv_loop_fork() is the forker's duty.
  for (const name of ['eventfd', 'timerfd_', 'epoll_', 'io_uring', 'uv_loop_fork']) assert.ok(!text.includes(name), name);
});

/** Words that stand in the binary for other reasons. They are in the same table as the others, which is there as a whole or not at all. */
const WORDS = new Set(['gc', 'rotation', 'symbolizer', 'watcher']);

it('no failpoint and no accessor of the tests is in the published binary', async () => {
  const source = (path) => readFileSync(join(root, 'crates', path), 'utf8');
  const table = /pub const NAMES: \[&str; (\d+)\] = \[([^]*?)\n\];/.exec(source('pronghorn-sync/src/failpoint.rs'));
  const places = [...table[2].matchAll(/^ {4}"(.*)",$/gm)].map((match) => match[1]);
  assert.equal(places.length, Number(table[1]));
  const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  const accessors = [...source('pronghorn-node/src/inspect.rs').matchAll(/^#\[napi\]\npub fn (\w+)/gm)].map((match) => camel(match[1]));
  assert.ok(accessors.length >= 9 && accessors.includes('inspect'), `${accessors}`);
  const published = textOf(root);
  const withThem = textOf(await failpointPackage());
  for (const name of [...places.filter((place) => !WORDS.has(place)), ...accessors]) {
    assert.ok(withThem.includes(name), `${name} is not found where it is: the search does not work`);
    assert.ok(!published.includes(name), name);
  }
  assert.ok(!/failpoint/i.test(published));
});

for (const major of majors) {
  it(`one binary loads on Node ${major}, and importing the package starts nothing`, async () => {
    const script = `
      import { readdirSync, readFileSync } from 'node:fs';
      const text = (path) => readFileSync('/proc/self/' + path, 'utf8');
      const ours = () => readdirSync('/proc/self/task').filter((task) => text('task/' + task + '/comm').startsWith('pronghorn'));
      const seen = () => [ours().length, /^SigCgt:.*$/m.exec(text('status'))[0]];
      const before = seen();
      const p = await import('pronghorn');
      const isLoaded = text('maps').includes('pronghorn.');
      console.log(Object.keys(p).sort().join(), isLoaded, String(before) === String(seen()))`;
    const result = await run(nodePath(major), ['--input-type=module', '-e', script]);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /\bprofile,profileCluster,resetAfterFork,start,startCluster,stop.* true true/, 'the native half is loaded; no thread, and no handler of a signal');
  });
}
