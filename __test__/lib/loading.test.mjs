// What importing and start() do where the native half is missing, cut short or foreign: on every Node of the tests, in a copy of the package.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { majors, nodePath, root } from '../helpers/nodes.mjs';

const binary = 'pronghorn.linux-x64-gnu.node';
const whole = readFileSync(join(root, binary));
const cases = [
  ['missing', undefined, /the native part for linux on x64 with glibc is missing: the package pronghorn-linux-x64-gnu is not installed/],
  ['empty', Buffer.alloc(0), /damaged/],
  ['cut to a third', whole.subarray(0, whole.length / 3), /damaged .*cut short/],
  ['cut by a byte', whole.subarray(0, -1), /damaged .*cut short/],
  ['another library', readFileSync('/bin/sh'), /could not be loaded/],
];

for (const major of majors) {
  for (const [what, content, reason] of cases) {
    test(`a native half that is ${what}: importing works, start() says what is wrong (Node ${major})`, (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'pronghorn-loading-'));
      t.after(() => rmSync(directory, { recursive: true, force: true }));
      const copy = join(directory, 'node_modules/pronghorn');
      mkdirSync(copy, { recursive: true });
      cpSync(join(root, 'package.json'), join(copy, 'package.json'));
      cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
      if (content !== undefined) writeFileSync(join(copy, binary), content);
      const app = join(directory, 'app.mjs');
      writeFileSync(
        app,
        `import { start, stop } from 'pronghorn';
         const said = [];
         for (const attempt of [1, 2]) try { start(); } catch (error) { said.push([error.code, error.message]); }
         await stop().catch((error) => said.push([error.code, error.message]));
         console.log(JSON.stringify(said));`,
      );
      const { status, stdout, stderr } = spawnSync(nodePath(major), [app], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const [first, second, third] = JSON.parse(stdout);
      assert.equal(first[0], 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME');
      assert.match(first[1], reason);
      assert.deepEqual(second, first);
      assert.equal(third[0], 'ERR_PRONGHORN_NOT_STARTED');

      // The whole program runs on, unprofiled, and one line says so.
      writeFileSync(app, `console.log('ran'); process.exitCode = 3;`);
      const registered = spawnSync(nodePath(major), ['--import', 'pronghorn/register', app], { cwd: directory, encoding: 'utf8' });
      assert.deepEqual([registered.status, registered.stdout], [3, 'ran\n']);
      assert.match(registered.stderr, /^pronghorn: not profiling this program: the native part .*\n$/);
    });
  }
}
