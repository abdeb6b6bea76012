// What outlives a function outlives a fork too. So every static of the native half is either a Resettable, which the reset after a fork
// replaces whole, or says in a comment that begins with "Fork:" what a child does with it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const crates = fileURLToPath(new URL('../crates/', import.meta.url));
const PUBLISHED = ['sync', 'pprof', 'recorder', 'native', 'v8', 'sampler', 'node'].map((name) => `pronghorn-${name}`);
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
    if (type.startsWith('Resettable<') || type.startsWith('[Resettable<')) return;
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

test('no source of ours uses a ThreadsafeFunction: its queue and its eventfd would be the parent’s in a child', () => {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const typescript = [...readdirSync(`${root}lib`).map((name) => `lib/${name}`), 'index.ts', 'register.ts', 'cli.ts'].map((name) => root + name);
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
