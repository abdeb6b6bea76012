// What outlives a function outlives a fork too. So every static of the native half is either a Resettable, or a Wiped, which the reset after a fork
// replaces whole, or says in a comment that begins with "Fork:" what a child does with it. And every file that has a Resettable is a component: it has
// a reset_after_fork() that replaces it, which the steps of the chain call.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const crates = fileURLToPath(new URL('../crates/', import.meta.url));
const PUBLISHED = ['sync', 'pprof', 'otlp', 'source-map', 'recorder', 'native', 'v8', 'sampler', 'node'].map((name) => `pronghorn-${name}`);
const STATIC = /^\s*(?:pub(?:\([a-z]+\))? )?static (?:mut )?([A-Z_]+): (.*)$/;

/** The statics of a Rust source that nobody has classified. */
function unclassified(text) {
  const lines = text.split('\n');
  const found = [];
  let tests = Infinity;
  lines.forEach((line, number) => {
    if (/^#\[cfg\((?:all\()?test/.test(line)) tests = Math.min(tests, number);
    const [, name, type] = STATIC.exec(line) ?? [];
    if (name === undefined || number > tests) return;
    if (/^\[?(Resettable|Wiped)</.test(type)) return;
    let above = number - 1;
    const comments = [];
    while (above >= 0 && (/^\s*(\/\/|#\[|$)/.test(lines[above]) || STATIC.test(lines[above]) || /^\s*(thread_local!|\[?const|.*;$|\}\];?$)/.test(lines[above]))) {
      comments.push(lines[above]);
      if (/^\s*\/\/ Fork: /.test(lines[above])) return;
      if (lines[above].trim() === '' || /Resettable/.test(lines[above])) break;
      above--;
    }
    found.push(name);
  });
  return { found, count: lines.filter((line, number) => number <= tests && STATIC.test(line)).length };
}

const sources = PUBLISHED.flatMap((name) =>
  readdirSync(`${crates}${name}/src`, { recursive: true })
    .filter((file) => file.endsWith('.rs') && !/tests?(_support)?(\.rs|\/)/.test(file))
    .map((file) => `${name}/src/${file}`),
);

test('every static of the native half is replaced after a fork, or says why not', () => {
  let seen = 0;
  const missing = sources.flatMap((source) => {
    const { found, count } = unclassified(readFileSync(crates + source, 'utf8'));
    seen += count;
    return found.map((name) => `${source}: ${name}`);
  });
  assert.deepEqual(missing, [], 'make it part of the Resettable state of its component, or explain it with "// Fork: …"');
  assert.ok(seen > 20, `only ${seen} statics were found: the pattern no longer fits the sources`);
});

/** Where the steps begin: those that JavaScript calls, and the sampler's half of them. */
const ROOTS = ['pronghorn-node/src/fork.rs', 'pronghorn-sampler/src/reset.rs'];

const withoutComments = (text) => text.replace(/\/\/.*/g, '');
const moduleOf = (source) => (basename(source) === 'mod.rs' ? basename(dirname(source)) : basename(source, '.rs'));
const crateOf = (source) => source.split('/')[0];

/** The body of the function of that name which stands at the outermost level, or undefined. */
const bodyOf = (text, name) => new RegExp(`^(?:pub(?:\\([a-z]+\\))? )?(?:unsafe )?fn ${name}\\b[^]*?\\n\\}`, 'm').exec(text)?.[0];

/** The modules whose reset_after_fork() a text calls or hands on, as it names them: `slot`, `pronghorn_v8::fault`. */
const resetsIn = (text) => [...text.matchAll(/((?:\w+::)+)reset_after_fork\b/g)].map((match) => match[1].slice(0, -2));

/**
 * Files with a Resettable, or a reset, that the chain does not come to.
 *
 * @param {Record<string, string>} texts the sources by their paths
 * @returns {{ missing: string[], components: string[] }} what is wrong, in words; the files that are components
 */
function unreached(texts) {
  const reached = new Set(ROOTS);
  const visit = (text, from) => {
    for (const name of resetsIn(text)) {
      const [module, crate] = name.split('::').toReversed();
      const home = crate === undefined || crate === 'crate' ? crateOf(from) : crate.replaceAll('_', '-');
      const target = Object.keys(texts).find((source) => crateOf(source) === home && moduleOf(source) === module);
      if (target === undefined || reached.has(target)) continue;
      reached.add(target);
      visit(bodyOf(texts[target], 'reset_after_fork') ?? '', target);
    }
  };
  for (const root of ROOTS) visit(texts[root], root);
  const missing = [];
  const components = [];
  for (const [source, text] of Object.entries(texts)) {
    const statics = [...text.matchAll(/^\s*(?:pub(?:\([a-z]+\))? )?static ([A-Z_]+): \[?(?:Resettable|Wiped)</gm)].map((match) => match[1]);
    const reset = bodyOf(text, 'reset_after_fork');
    if (statics.length === 0 && reset === undefined) continue;
    components.push(source);
    if (reset === undefined) missing.push(`${source} has no reset_after_fork()`);
    else if (!reached.has(source)) missing.push(`nobody calls reset_after_fork() of ${source}`);
    for (const name of statics) {
      if (reset !== undefined && !new RegExp(`\\b${name}\\b`).test(reset)) missing.push(`reset_after_fork() of ${source} leaves ${name} alone`);
    }
  }
  return { missing, components };
}

/** The words of the fork itself: the acknowledgement, the last step of a reset, is what sets them. */
const FORK_ITSELF = 'pronghorn-sync/src/fork/process.rs';

const texts = Object.fromEntries(sources.filter((source) => source !== FORK_ITSELF).map((source) => [source, withoutComments(readFileSync(crates + source, 'utf8'))]));

test('every file with a Resettable or a Wiped is a component, whose reset the chain calls', () => {
  const { missing, components } = unreached(texts);
  assert.deepEqual(missing, []);
  for (const name of ['slot', 'session', 'termination', 'fault']) {
    assert.ok(components.some((source) => moduleOf(source) === name), `${name} is not found`);
  }
  assert.ok(components.length >= 10, `${components}`);
});

test('a component that is not in the list is found', () => {
  const without = (file, call) => {
    assert.ok(texts[file].includes(call), call);
    return unreached({ ...texts, [file]: texts[file].replace(call, '') }).missing;
  };
  const [node, sampler] = ROOTS;
  assert.deepEqual(without(sampler, 'ticker::reset_after_fork(alone);'), ['nobody calls reset_after_fork() of pronghorn-sampler/src/ticker.rs']);
  assert.deepEqual(without(sampler, 'pronghorn_v8::fault::reset_after_fork();'), ['nobody calls reset_after_fork() of pronghorn-v8/src/fault.rs']);
  assert.deepEqual(without(node, 'rotation::reset_after_fork(alone);'), ['nobody calls reset_after_fork() of pronghorn-node/src/rotation.rs']);
  const more = (text) => unreached({ ...texts, 'pronghorn-sampler/src/more.rs': text }).missing;
  const state = 'static STATE: Resettable<State> = x;\n';
  assert.deepEqual(more(state), ['pronghorn-sampler/src/more.rs has no reset_after_fork()']);
  assert.deepEqual(more(`${state}\npub(crate) fn reset_after_fork(alone: &Alone) {\n}\n`), [
    'nobody calls reset_after_fork() of pronghorn-sampler/src/more.rs',
    'reset_after_fork() of pronghorn-sampler/src/more.rs leaves STATE alone',
  ]);
});

/** Locks of the standard library, and what has one inside: a child of a fork may find it held by a thread that is not there. */
const STANDARD_LOCK = /(?<!loom::sync::)\b(?:OnceLock|LazyLock|ReentrantLock|Mutex|MutexGuard|RwLock|Condvar|Barrier|Once)\b/;

test('no lock of the standard library stands in the published half', () => {
  for (const sample of ['static X: OnceLock<u8>', 'use std::sync::Mutex;', 'use std::sync::{atomic::{AtomicU8, Ordering}, RwLock};', 'static ONCE: Once = Once::new();']) assert.match(sample, STANDARD_LOCK);
  assert.doesNotMatch('kernel: (loom::sync::Mutex<()>, loom::sync::Condvar)', STANDARD_LOCK);
  for (const [source, text] of Object.entries(texts)) {
    // Tests come last; what else is for them stands behind its own cfg.
    const [published] = text.replaceAll(/^#\[cfg\((?:any\()?test\b[^\n]*\n(?:#[^\n]*\n)*[^\n]*\{\n[^]*?^\}/gm, '').split(/^mod tests \{/m);
    assert.doesNotMatch(published, STANDARD_LOCK, source);
  }
});

test('no source of ours uses a ThreadsafeFunction: its queue and its eventfd would be the parent’s in a child', () => {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const typescript = [...readdirSync(`${root}lib`, { recursive: true }).filter((name) => /\.[cm]?ts$/.test(name)).map((name) => `lib/${name}`), 'index.ts', 'register.ts', 'cli.ts'].map((name) => root + name);
  const all = [...sources.map((source) => crates + source), ...typescript];
  assert.ok(all.length > 100, `${all.length} sources`);
  for (const file of all) assert.doesNotMatch(readFileSync(file, 'utf8'), /threadsafe_?function|eventfd|timerfd|epoll_|uv_async/i, file);
});

test('a static that nobody has classified is found', () => {
  const bad = 'static FINE: Resettable<State> = x;\n\n/// Counts.\nstatic COUNT: AtomicU64 = AtomicU64::new(0);\n';
  assert.deepEqual(unclassified(bad).found, ['COUNT']);
  const explained = '// Fork: kept.\n/// Counts.\nstatic COUNT: AtomicU64 = AtomicU64::new(0);\n';
  assert.deepEqual(unclassified(explained).found, []);
});
