// Builds crates/test-fixture once per run and says where the addon lies.
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from './child.mjs';
import { root } from './nodes.mjs';

let built;

/**
 * The path of the fixture addon, built when needed (cargo's own lock and freshness check make a second build free).
 * The file is renamed into place, so that a test file that runs beside this one never loads half of it.
 */
export function fixturePath() {
  built ??= build();
  return built;
}

async function build() {
  const { stdout } = await runOk('cargo', ['build', '--release', '-p', 'pronghorn-test-fixture', '--message-format=json'], {
    deadlineMs: 300_000,
  });
  const artifacts = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((message) => message.reason === 'compiler-artifact' && message.target.name === 'pronghorn_test_fixture');
  const library = artifacts.at(-1)?.filenames.find((name) => name.endsWith('.so'));
  if (library === undefined) throw new Error(`cargo named no library:\n${stdout}`);
  const folder = join(root, '__test__/fixture-addon');
  mkdirSync(folder, { recursive: true });
  const target = join(folder, 'fixture.node');
  const temporary = join(folder, `fixture.${process.pid}.tmp.node`);
  copyFileSync(library, temporary);
  renameSync(temporary, target);
  return target;
}
