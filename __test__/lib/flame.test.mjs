// The command's side of a flame graph: categories, the tree of stacks, names of files, and that the page reads what has been written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { categoryOf } from '../../build/lib/flame/category.js';
import { encodeDocument } from '../../build/lib/flame/document.js';
import { shown } from '../../build/lib/flame/function-table.js';
import { pageName } from '../../build/lib/flame/output.js';
import { MAX_DEPTH, StackTree } from '../../build/lib/flame/stack-tree.js';
import { readProfile } from '../../build/lib/pprof/reader.js';
import { manySamples } from '../helpers/many-samples.mjs';
import { pageModules } from '../helpers/page-module.mjs';
import { buildProfile } from './build-profile.mjs';

const { readDocument } = await pageModules('document');
const request = { title: 'x.pb.gz', value: undefined, by: undefined };
const read = (bytes) => readDocument(bytes.toString('base64'));

/** Every stack that ends somewhere, with its values: "a > b" to [1, 2, 3]. */
function stacksOf(doc) {
  const stacks = new Map();
  const path = [];
  for (let node = 1; node < doc.nodeCount; node++) {
    while (path.length > 0 && path.at(-1) !== doc.parent[node]) path.pop();
    path.push(node);
    const values = doc.columns.map((column) => column[node]);
    if (values.some((value) => value !== 0)) stacks.set(path.map((each) => doc.names[doc.fn[each]]).join(' > '), values);
  }
  return stacks;
}

test('a function is somebody’s', () => {
  for (const [name, file, binary, category] of [
    ['f', '/app/a.js', '', 'app'],
    ['f', 'file:///app/a.mjs', '', 'app'],
    ['f', '[eval]', '', 'app'],
    ['f', '/app/node_modules/x/a.js', '', 'dependency'],
    ['f', 'file:///app/node_modules/.pnpm/x/node_modules/x/a.js', '', 'dependency'],
    ['f', 'node_modules/x/a.js', '', 'dependency'],
    ['f', '/app/my_node_modules/a.js', '', 'app'],
    ['f', 'node:internal/url', '', 'node'],
    ['set', '(builtin)', '', 'v8'],
    ['v8::f', '', '/usr/bin/node', 'native'],
    ['f', '/src/x.cc', '/usr/lib/x.so', 'native'],
    ['(garbage collector)', '', '', 'gc'],
    ['(garbage collector)', '', '/usr/bin/node', 'gc'],
    ['Garbage Collection', '', '', 'gc'],
    ['(idle)', '', '', 'idle'],
    ['(truncated)', '', '', 'other'],
    ['(regexp)', '', '', 'v8'],
    ['__proto__', '', '', 'app'],
    ['constructor', '', '', 'app'],
  ]) assert.equal(categoryOf(name, file, binary), category, `${name} ${file} ${binary}`);
});

test('the tree has each path once, however it grows', () => {
  const tree = new StackTree(1);
  const nodes = new Map();
  for (let round = 0; round < 2; round++) {
    for (let a = 0; a < 60; a++) {
      for (let b = 0; b < 60; b++) {
        const node = tree.child(tree.child(0, a), b);
        assert.equal(nodes.get(`${a},${b}`) ?? node, node);
        nodes.set(`${a},${b}`, node);
        tree.columns[0][node] += 1;
      }
    }
  }
  assert.equal(tree.count, 1 + 60 + 3600);
  assert.equal(tree.columns[0].reduce((a, b) => a + b), 7200);
  const { order, depth } = tree.preorder();
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: tree.count }, (_, node) => node));
  for (let at = 1; at < order.length; at++) {
    let before = at - 1;
    while (depth[before] >= depth[at]) before -= 1;
    assert.equal(order[before], tree.parent[order[at]], 'the parent is the last one that lies less deep');
  }
});

test('the page reads what the command has written', async () => {
  const bytes = buildProfile({
    comment: 'a comment',
    stacks: [
      { stack: ['leaf file:///app/a.mjs:3', 'main /app/main.js:1'], values: [2, 20, 30n * 10n ** 9n] },
      { stack: [['inner /app/a.js:7', 'outer /app/a.js:2'], 'main /app/main.js:1'], values: [1, 10, -5] },
      { stack: ['main /app/main.js:1'], values: [1, 2 ** 40, 1] },
      { stack: ['0xabc@/lib/libz.so.1', 'main /app/main.js:1'], values: [1, 5, 5] },
      { stack: ['leaf file:///app/a.mjs:3', 'main /app/main.js:1'], values: [1, 1, 1] },
    ],
  });
  const doc = await read(encodeDocument(readProfile(bytes), request));
  assert.deepEqual(doc.values, [{ type: 'samples', unit: 'count' }, { type: 'cpu', unit: 'nanoseconds' }, { type: 'wall', unit: 'nanoseconds' }]);
  assert.deepEqual([doc.title, doc.shownValue, doc.samples, doc.stacks, doc.comments, doc.base], ['x.pb.gz', 1, 6, 5, ['a comment'], undefined]);
  assert.deepEqual(stacksOf(doc), new Map([
    ['main', [1, 2 ** 40, 1]],
    ['main > leaf', [3, 21, 30e9 + 1]],
    ['main > outer > inner', [1, 10, -5]],
    ['main > (libz.so.1+0xabc)', [1, 5, 5]],
  ]));
  const of = (name) => doc.names.indexOf(name);
  assert.deepEqual([doc.files[of('leaf')], doc.lines[of('leaf')]], ['file:///app/a.mjs', 3]);
  assert.deepEqual([doc.files[of('(libz.so.1+0xabc)')], doc.categories[doc.category[of('(libz.so.1+0xabc)')]]], ['/lib/libz.so.1', 'native']);
});

test('many samples come out as they went in', async () => {
  const profile = readProfile(manySamples(3000));
  const doc = await read(encodeDocument(profile, request));
  const sums = [0, 0, 0];
  for (const { values } of profile.samples()) for (const index of sums.keys()) sums[index] += values[index];
  assert.deepEqual(doc.columns.map((column) => column.reduce((a, b) => a + b)), sums);
  for (let node = 1; node < doc.nodeCount; node++) {
    assert.ok(doc.parent[node] < node && doc.end[node] > node && doc.end[node] <= doc.end[doc.parent[node]]);
  }
});

test('processes and threads are frames of their own', async () => {
  const labels = [{ 'process id': 7, 'thread id': 7, 'thread name': 'main' }, { 'process id': 8, 'cluster worker id': 1, 'thread id': 9, 'thread name': 'pool' }, {}];
  const bytes = buildProfile({ stacks: labels.map((each, index) => ({ stack: ['f /a.js:1'], values: [1, 1 + index, 1], labels: each })) });
  const names = async (by) => [...stacksOf(await read(encodeDocument(readProfile(bytes), { ...request, by }))).keys()];
  assert.deepEqual(await names('process'), ['process 7 > f', 'process 8 (cluster worker 1) > f', '(not labelled) > f']);
  assert.deepEqual(await names('thread'), ['thread 7 main, process 7 > f', 'thread 9 pool, process 8 (cluster worker 1) > f', '(not labelled) > f']);
  const base = { title: 'base', profile: readProfile(bytes) };
  const compared = stacksOf(await read(encodeDocument(readProfile(bytes), { ...request, by: 'thread' }, base)));
  // No ids there: those of two runs are never the same.
  assert.ok(compared.has('thread pool, cluster worker 1 > f'), [...compared.keys()].join('; '));
});

test('two profiles stand side by side, matched by type and unit', async () => {
  const now = buildProfile({ stacks: [{ stack: ['a /a.js:1'], values: [1, 10, 100] }, { stack: ['new /a.js:9'], values: [1, 5, 50] }] });
  const then = buildProfile({ types: [['wall', 'nanoseconds'], ['cpu', 'nanoseconds'], ['samples', 'count']], stacks: [{ stack: ['a /a.js:1'], values: [70, 7, 1] }, { stack: ['old /a.js:5'], values: [30, 3, 1] }] });
  const doc = await read(encodeDocument(readProfile(now), request, { title: 'then', profile: readProfile(then) }));
  assert.deepEqual(stacksOf(doc), new Map([['a', [1, 10, 100, 1, 7, 70]], ['new', [1, 5, 50, 0, 0, 0]], ['old', [0, 0, 0, 1, 3, 30]]]));
  assert.equal(doc.base.title, 'then');
  const heap = readProfile(buildProfile({ types: [['space', 'bytes']], defaultType: undefined, stacks: [{ stack: ['a /a.js:1'], values: [1] }] }));
  assert.throws(() => encodeDocument(readProfile(now), request, { title: 'heap', profile: heap }), {
    code: 'ERR_PRONGHORN_INCOMPATIBLE_PROFILES',
    message: 'the profiles cannot be compared: heap has no value samples in count; it has space in bytes',
  });
});

test('a stack that is far too deep keeps its outermost frames and its leaf', async () => {
  const stack = ['leaf /a.js:1', ...Array.from({ length: 5000 }, () => 'again /a.js:2')];
  const doc = await read(encodeDocument(readProfile(buildProfile({ stacks: [{ stack, values: [1, 1, 1] }] })), request));
  const [[path]] = stacksOf(doc);
  assert.equal(path.split(' > ').length, MAX_DEPTH + 2);
  assert.ok(path.endsWith(' > (truncated) > leaf'));
});

test('texts are fit to be shown', () => {
  assert.equal(shown('a\u0000\u001b[31m\u009b\nb'), 'a\ufffd\ufffd[31m\ufffd\ufffdb');
  assert.equal(shown('rtl \u202egnp.exe'), 'rtl \ufffdgnp.exe');
  assert.equal(shown('x'.repeat(10_000)).length, 4096);
  assert.equal(shown('漢字 🦌 ünï'), '漢字 🦌 ünï');
});

test('a page is named after its profile', () => {
  for (const [profile, page] of [
    ['CPU.20261123.120000.4711.0.pb.gz', 'CPU.20261123.120000.4711.0.html'],
    ['dir.pb/x.pb', 'dir.pb/x.html'],
    ['x.pprof', 'x.html'],
    ['x.gz', 'x.html'],
    ['profile', 'profile.html'],
    ['a/.pb.gz', 'a/.pb.html'],
  ]) assert.equal(pageName(profile, false), page, profile);
  assert.equal(pageName('x.pb.gz', true), 'x.diff.html');
});
