// What an import of the package costs a program, by what it must not do: the figures are in docs/measurements.md.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { grouped } from '../../build/lib/grouped.js';
import { majors, nodePath } from '../helpers/nodes.mjs';

const index = new URL('../../dist/index.js', import.meta.url).href;
const root = fileURLToPath(new URL('../..', import.meta.url));

for (const major of majors) test(`importing the package, and starting and stopping, loads neither the locale data nor what most programs do not need (Node ${major})`, () => {
  const program = `
    for (const type of [Number, BigInt, Date]) type.prototype.toLocaleString = () => { throw new Error('locale data'); };
    Object.defineProperty(globalThis, 'Intl', { get() { throw new Error('locale data'); } });
    const before = new Set(process.moduleLoadList);
    const { start } = await import(${JSON.stringify(index)});
    const imported = process.moduleLoadList.filter((name) => !before.has(name));
    await start().stop();
    const { _cache: required } = process.getBuiltinModule('node:module');
    console.log(JSON.stringify([imported, Object.keys(required)]));`;
  const { status, stdout, stderr } = spawnSync(nodePath(major), ['--input-type=module', '-e', program], { cwd: root, encoding: 'utf8', timeout: 30_000 });
  assert.equal(status, 0, stderr);
  const [imported, required] = JSON.parse(stdout);
  const heavy = /^NativeModule (?:_?http|https|http2|tls|_tls\w*|crypto|zlib|dns|readline|inspector|undici|internal\/(?:crypto|deps)\/.*)$/;
  // An ES module of fs or util, which looks at their getters, would load these. Node 20 looks at them whoever asks for fs.
  const byGetters = major === 20 ? /^NativeModule (?:worker_threads|internal\/worker)$/ : /^NativeModule (?:worker_threads|internal\/(?:worker|fs\/promises|readline\/.*|repl\/.*|util\/(?:parse_args|diff)\b.*))$/;
  assert.deepEqual(imported.filter((name) => heavy.test(name) || byGetters.test(name)), []);
  assert.deepEqual(required.filter((name) => name.endsWith('.cjs')), []);
});

for (const major of majors) {
  test(`exporters, clusters and register are loaded by what needs them, and by nothing else (Node ${major})`, () => {
    const program = `
      const { profileCluster, start } = await import(${JSON.stringify(index)});
      const { _cache: required } = process.getBuiltinModule('node:module');
      const parts = () => Object.keys(required).filter((name) => name.endsWith('.cjs')).map((name) => name.replace(/^.*\\//, ''));
      const said = [parts()];
      await start({ exporters: [{ name: 'mine', send: async () => undefined }] }).stop();
      said.push(parts());
      await profileCluster({ durationMs: 1 });
      said.push(parts());
      console.log(JSON.stringify(said));`;
    const { status, stdout, stderr } = spawnSync(nodePath(major), ['--input-type=module', '-e', program], { cwd: root, encoding: 'utf8', timeout: 30_000 });
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), [[], ['exporting.cjs'], ['exporting.cjs', 'cluster.cjs']]);
  });
}

test('numbers are grouped by thousands', () => {
  for (const [value, text] of [[0, '0'], [999, '999'], [1_000, '1,000'], [2_147_483_647, '2,147,483,647'], [16_777_216, '16,777,216']]) assert.equal(grouped(value), text);
});
