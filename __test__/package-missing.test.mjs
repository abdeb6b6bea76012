// An installation without a native half, as on a platform that has none: the program starts and does its work, and start() says what is missing.
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { run, runOk } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { installed, installedWithoutNative } from './helpers/packages.mjs';
import { has, readProfile } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';

const program = 'says-what-is-missing.mjs';
let without;
let complete;
/** A profile. */
let saved;

before(async () => {
  [without, complete] = [await installedWithoutNative(), await installed()];
  // By the complete one.
  const out = scratch();
  const work = 'function workOfTheProgram() { for (const end = performance.now() + 300; performance.now() < end; ); } workOfTheProgram()';
  await runOk(nodePath(majors[0]), ['--import', 'pronghorn/register', '-e', work], { cwd: complete, env: { PRONGHORN_OUTPUT_DIR: out } });
  saved = join(out, readdirSync(out)[0]);
  for (const folder of [without, complete]) cpSync(join(root, '__test__/installed-apps', program), join(folder, program));
});

/** What the program was told by start(), startCluster() and profile(). */
async function reasons(major, cwd, env = {}) {
  const { stdout, stderr } = await runOk(nodePath(major), [program], { cwd, env });
  assert.equal(stderr, '');
  const said = JSON.parse(stdout);
  assert.equal(said.pop(), 'the work is done');
  assert.equal(said.length, 3);
  for (const [name, code] of said) assert.deepEqual([name, code], ['PronghornError', 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME']);
  const [first, ...others] = said.map(([, , message]) => message);
  for (const message of others) assert.equal(message, first);
  return first;
}

for (const major of majors) {
  describe(`without a native half, on Node ${major}`, () => {
    it(`the package that is missing is named (Node ${major})`, async () => {
      assert.equal(
        await reasons(major, without),
        'the native part for linux on x64 with glibc is missing: the package pronghorn-linux-x64-gnu is not installed; install pronghorn again, ' +
          'here and without --omit=optional, or run `npm run build` in a checkout',
      );
    });

    for (const [platform, reason] of [
      ['darwin arm64', /^there is no native part for darwin on arm64, and so no package pronghorn-darwin-arm64; pronghorn runs on Linux x64$/],
      ['win32 x64', /^there is no native part for win32 on x64, and so no package pronghorn-win32-x64; pronghorn runs on Linux x64$/],
      ['linux arm64', /^there is no native part for linux on arm64 with glibc, and so no package pronghorn-linux-arm64-gnu; pronghorn runs on Linux x64$/],
    ]) {
      it(`as is the platform: ${platform}, whatever is installed (Node ${major})`, async () => {
        for (const folder of [without, complete]) assert.match(await reasons(major, folder, { PRETEND: platform }), reason);
      });
    }

    it(`--import pronghorn/register says it in a line, and the program runs on (Node ${major})`, async () => {
      const result = await run(nodePath(major), ['--import', 'pronghorn/register', '-e', "console.log('ran'); process.exitCode = 3"], { cwd: without });
      assert.deepEqual([result.code, result.stdout], [3, 'ran\n']);
      assert.match(result.stderr, /^pronghorn: not profiling this program: the native part for linux on x64 with glibc is missing: the package pronghorn-linux-x64-gnu is not installed; .*\n$/);
    });

    it(`the command shows profiles, which takes no native half (Node ${major})`, async () => {
      const command = (...args) => runOk(nodePath(major), ['node_modules/.bin/pronghorn', ...args], { cwd: without });
      assert.match((await command('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
      assert.match((await command('top', saved)).stdout, /workOfTheProgram/);
      const out = join(scratch(), 'merged.pb.gz');
      await command('merge', saved, saved, '-o', out);
      assert.ok(readProfile(out).samples.some(has('workOfTheProgram')));
      const page = join(scratch(), 'flame.html');
      await command('flame', saved, '-o', page);
      assert.match(readFileSync(page, 'utf8'), /^<!doctype html>/i);
    });
  });
}
