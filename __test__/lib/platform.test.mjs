// Which native half fits a process: the names of the packages, and the C library that an executable says it runs on.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { libcOf, platformOf } from '../../build/lib/platform.js';
import { targets } from '../../scripts/targets.mjs';
import { majors, nodePath, root } from '../helpers/nodes.mjs';
import { scratch } from '../helpers/scratch.mjs';

it('every target that is built is found, by the name of its package', () => {
  for (const { name } of targets) {
    const { os, cpu, libc } = JSON.parse(readFileSync(join(root, 'npm', name, 'package.json'), 'utf8'));
    assert.deepEqual(platformOf({ platform: os[0], arch: cpu[0] }, libc[0] === 'glibc' ? 'gnu' : 'musl'), { name });
  }
});

it('a platform without one is named, with the package that would have it', () => {
  for (const [platform, arch, libc, words] of [
    ['linux', 'arm64', 'gnu', /linux on arm64 with glibc, and so no package pronghorn-linux-arm64-gnu/],
    ['linux', 'arm64', 'musl', /linux on arm64 with musl, and so no package pronghorn-linux-arm64-musl/],
    ['darwin', 'arm64', 'gnu', /darwin on arm64, and so no package pronghorn-darwin-arm64; pronghorn runs on Linux x64$/],
    ['win32', 'x64', 'gnu', /win32 on x64/],
  ]) {
    assert.match(platformOf({ platform, arch }, libc).reason, words);
  }
});

it('the C library is told by the dynamic linker that an executable names', () => {
  for (const major of majors) assert.equal(libcOf(nodePath(major)), 'gnu');
  assert.equal(libcOf('/proc/self/exe'), 'gnu');
  const program = readFileSync('/bin/sh');
  const linker = program.indexOf('/lib64/ld-linux-x86-64.so.2\0');
  assert.ok(linker > 0);
  program.write('/lib/ld-musl-x86_64.so.1\0', linker);
  const path = join(scratch(), 'program');
  writeFileSync(path, program);
  assert.equal(libcOf(path), 'musl');
});

it('what says nothing of it, or cannot be read, counts as glibc', () => {
  const folder = scratch();
  mkdirSync(join(folder, 'folder'));
  const files = { empty: '', text: '#!/bin/sh\n'.repeat(1000), zeros: Buffer.alloc(5000), ones: Buffer.alloc(5000, 0xff) };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  for (const name of [...readdirSync(folder), 'nothing']) assert.equal(libcOf(join(folder, name)), 'gnu', name);
});
