// Builds the addons of the tests once per run, and says where they lie.
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from './child.mjs';
import { root } from './nodes.mjs';

const built = new Map();

/** The path of crates/test-fixture, which burns, blocks, forges signals and crashes. Built when needed. */
export const fixturePath = () => addon('fixture', 'test-fixture');

/** The path of crates/fork-fixture, which really forks. Built when needed. */
export const forkFixturePath = () => addon('fork-fixture', 'fork-fixture');

/** The path of crates/turn-fixture, which measures the turns of the event loop, for the benches. Built when needed. */
export const turnFixturePath = () => addon('turn-fixture', 'turn-fixture');

/** The path of crates/allocation-fixture, which LD_PRELOAD puts in front of libc. Built when needed. */
export const allocationFixturePath = () => {
  if (!built.has('allocation')) built.set('allocation', build('pronghorn-allocation-fixture'));
  return built.get('allocation');
};

/** The path of crates/atfork-fixture, likewise. */
export const atforkFixturePath = () => {
  if (!built.has('atfork')) built.set('atfork', build('pronghorn-atfork-fixture'));
  return built.get('atfork');
};

function addon(name, crate) {
  if (!built.has(name)) built.set(name, build(`pronghorn-${crate}`).then((library) => place(library, 'fixture-addon', `${name}.node`)));
  return built.get(name);
}

/**
 * Builds the library of one crate (cargo's own lock and freshness check make a second build free) and returns its path.
 *
 * @param {string} crate its package's name
 * @param {string[]} [profile] cargo's flags for the kind of build
 */
export async function build(crate, profile = ['--release']) {
  const { stdout } = await runOk('cargo', ['build', ...profile, '-p', crate, '--message-format=json'], { deadlineMs: 300_000 });
  const artifacts = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((message) => message.reason === 'compiler-artifact' && message.target.name === crate.replaceAll('-', '_'));
  const library = artifacts.at(-1)?.filenames.find((name) => name.endsWith('.so'));
  if (library === undefined) throw new Error(`cargo named no library:\n${stdout}`);
  return library;
}

/** Copies a file into a folder of __test__, renamed into place, so that a test file that runs beside this one never loads half of it. */
export function place(from, folder, name) {
  const target = join(root, '__test__', folder, name);
  mkdirSync(join(root, '__test__', folder), { recursive: true });
  const temporary = `${target}.${process.pid}.tmp`;
  copyFileSync(from, temporary);
  renameSync(temporary, target);
  return target;
}
