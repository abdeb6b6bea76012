// Every native function named in lib/ exists, and every native export is used.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';

/** Names called on something called "native" or "#native" in TypeScript, which is how lib/ speaks to the native half. */
function namesUsed() {
  const names = new Set();
  for (const file of readdirSync(join(root, 'lib')).filter((name) => name.endsWith('.ts'))) {
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

for (const major of majors) {
  it(`one binary loads on Node ${major}, and importing the package runs nothing`, async () => {
    const script = `import * as p from 'pronghorn'; import { readFileSync } from 'node:fs'; const maps = readFileSync('/proc/self/maps', 'utf8'); console.log(Object.keys(p).sort().join(), maps.includes('pronghorn.'))`;
    const result = await run(nodePath(major), ['--input-type=module', '-e', script]);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /\bprofile,profileCluster,resetAfterFork,start,startCluster,stop.* false/, 'the native half is loaded by the first call');
  });
}
