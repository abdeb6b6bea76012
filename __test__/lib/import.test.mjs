// What an import of the package costs a program, by what it must not do: the figures are in docs/measurements.md.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { grouped } from '../../build/lib/grouped.js';

const index = new URL('../../dist/index.js', import.meta.url).href;
const root = fileURLToPath(new URL('../..', import.meta.url));

test('importing the package, and starting and stopping, loads neither the locale data nor what most programs do not need', () => {
  const program = `
    for (const type of [Number, BigInt, Date]) type.prototype.toLocaleString = () => { throw new Error('locale data'); };
    Object.defineProperty(globalThis, 'Intl', { get() { throw new Error('locale data'); } });
    const before = new Set(process.moduleLoadList);
    const { start } = await import(${JSON.stringify(index)});
    const imported = process.moduleLoadList.filter((name) => !before.has(name));
    await start().stop();
    console.log(JSON.stringify(imported));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, encoding: 'utf8', timeout: 30_000 });
  assert.equal(status, 0, stderr);
  const heavy = /^NativeModule (?:_?http|https|http2|tls|_tls\w*|crypto|zlib|dns|readline|inspector|undici|internal\/(?:crypto|deps)\/.*)$/;
  assert.deepEqual(JSON.parse(stdout).filter((name) => heavy.test(name)), []);
});

test('numbers are grouped by thousands', () => {
  for (const [value, text] of [[0, '0'], [999, '999'], [1_000, '1,000'], [2_147_483_647, '2,147,483,647'], [16_777_216, '16,777,216']]) assert.equal(grouped(value), text);
});
