import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { readProfile, useProfileFile } from '../../build/lib/pprof/reader.js';
import { formatTop } from '../../build/lib/command/top-table.js';
import { top } from '../../build/lib/command/top.js';
import { root } from '../helpers/nodes.mjs';
import { buildProfile } from './build-profile.mjs';

const ms = 1_000_000;
const bytes = buildProfile({
  comment: 'pronghorn 0.1.0',
  stacks: [
    { stack: ['leaf file:///app/a.mjs:3', 'recursive /app/b.js:9', 'recursive /app/b.js:9', 'main /app/main.js:1'], values: [2, 20 * ms, 30 * ms] },
    // inner was inlined into outer: one location, two functions.
    { stack: [['inner /app/a.js:7', 'outer /app/a.js:2'], 'main /app/main.js:1'], values: [1, 10 * ms, 10 * ms] },
    { stack: ['(idle)', 'main /app/main.js:1'], values: [1, 0, 900 * ms] },
    { stack: ['0xabc@/lib/libz.so.1', 'main /app/main.js:1'], values: [1, 5 * ms, 5 * ms] },
  ],
});
const rowsOf = (result) => Object.fromEntries(result.rows.map((row) => [row.name, [row.self / ms, row.total / ms]]));

test('self goes to the leaf, total once to every function of the stack', () => {
  const result = top(readProfile(bytes), { value: undefined, sort: 'self', count: 100 });
  assert.equal(result.value, 'cpu');
  assert.equal(result.sum, 35 * ms);
  assert.deepEqual(rowsOf(result), {
    leaf: [20, 20],
    inner: [10, 10],
    '(libz.so.1+0xabc)': [5, 5],
    main: [0, 35],
    recursive: [0, 20],
    outer: [0, 10],
    '(idle)': [0, 0],
  });
  assert.deepEqual(result.rows.map((row) => row.name).slice(0, 4), ['leaf', 'inner', '(libz.so.1+0xabc)', 'main']);
});

test('value, sort and count choose', () => {
  const profile = readProfile(bytes);
  assert.equal(top(profile, { value: 'wall', sort: 'self', count: 1 }).rows[0].name, '(idle)');
  assert.equal(top(profile, { value: 'samples', sort: 'self', count: 1 }).rows[0].self, 2);
  const byTotal = top(profile, { value: 'cpu', sort: 'total', count: 2 });
  assert.deepEqual(byTotal.rows.map((row) => row.name), ['main', 'leaf']);
  assert.equal(byTotal.functionCount, 7);
});

test('a value that the profile does not have is named, with those that it has', () => {
  const heap = readProfile(buildProfile({ types: [['objects', 'count'], ['space', 'bytes']], defaultType: undefined, stacks: [{ stack: ['f /a.js:1'], values: [1, 4096] }] }));
  assert.throws(() => top(heap, { value: 'cpu', sort: 'self', count: 1 }), { code: 'ERR_PRONGHORN_INVALID_PROFILE', message: 'the profile has no value cpu; it has objects, space' });
  const result = top(heap, { value: undefined, sort: 'self', count: 1 });
  assert.deepEqual([result.value, result.unit, result.sum], ['space', 'bytes', 4096]);
});

test('the table has aligned columns, short paths, and says what is left out', () => {
  const text = formatTop(top(readProfile(bytes), { value: 'cpu', sort: 'self', count: 3 }), { title: 'x.pb.gz', directory: '/app', width: Infinity });
  const lines = text.split('\n');
  assert.match(lines[0], /^x\.pb\.gz, from 2023-11-1\d \d\d:\d\d:\d\d$/);
  assert.equal(lines[1], 'pronghorn 0.1.0');
  assert.equal(lines[2], '35.0 ms of cpu, 5 samples, 4 different stacks, over 2.50 s');
  assert.deepEqual(lines.slice(4), [
    '   self  self%    total  total%  function           file:line',
    '20.0 ms  57.1%  20.0 ms   57.1%  leaf               a.mjs:3',
    '10.0 ms  28.6%  10.0 ms   28.6%  inner              a.js:7',
    ' 5.0 ms  14.3%   5.0 ms   14.3%  (libz.so.1+0xabc)  /lib/libz.so.1',
    '… and 4 more functions (--count N shows more)',
    '',
  ]);
});

const labelled = buildProfile({
  stacks: [
    { stack: ['work /app/a.js:1', 'main /app/a.js:9'], values: [1, 10 * ms, 10 * ms], labels: { 'process id': 100, 'thread id': 100, 'thread name': 'main' } },
    { stack: ['work /app/a.js:1', 'main /app/a.js:9'], values: [2, 20 * ms, 20 * ms], labels: { 'process id': 101, 'cluster worker id': 1, 'thread id': 101, 'thread name': 'main' } },
    { stack: ['other /app/a.js:5'], values: [1, 30 * ms, 30 * ms], labels: { 'process id': 101, 'cluster worker id': 1, 'thread id': 105, 'thread name': 'pool' } },
    { stack: ['old /app/a.js:7'], values: [1, 1 * ms, 1 * ms] },
  ],
});

test('by process: each process has its own sums and functions, the busiest first', () => {
  const result = top(readProfile(labelled), { value: 'cpu', sort: 'self', count: 1, by: 'process' });
  assert.equal(result.sum, 61 * ms);
  assert.deepEqual(result.groups.map((group) => [group.labels, group.sum / ms, group.samples, group.functionCount, group.rows[0].name]), [
    [{ 'process id': 101, 'cluster worker id': 1 }, 50, 3, 3, 'other'],
    [{ 'process id': 100 }, 10, 1, 2, 'work'],
    [{}, 1, 1, 1, 'old'],
  ]);
});

test('by thread: the same thread id in another process is another thread', () => {
  const result = top(readProfile(labelled), { value: 'cpu', sort: 'self', count: 5, by: 'thread' });
  assert.deepEqual(result.groups.map((group) => [group.labels['thread id'], group.sum / ms]), [[105, 30], [101, 20], [100, 10], [undefined, 1]]);
  const text = formatTop(result, { title: 'x.pb.gz', directory: '/app', width: Infinity });
  assert.deepEqual(text.split('\n').slice(3, 13), [
    '    cpu      %  samples  thread',
    '30.0 ms  49.2%        1  thread 105 pool, process 101 (cluster worker 1)',
    '20.0 ms  32.8%        2  thread 101 main, process 101 (cluster worker 1)',
    '10.0 ms  16.4%        1  thread 100 main, process 100',
    ' 1.0 ms   1.6%        1  (not labelled)',
    '',
    'thread 105 pool, process 101 (cluster worker 1)',
    '',
    '   self   self%    total  total%  function  file:line',
    '30.0 ms  100.0%  30.0 ms  100.0%  other     a.js:5',
  ]);
});

test('by a label: each value has its own sums and functions, and what has none is named', () => {
  const routes = buildProfile({
    stacks: [
      { stack: ['work /app/a.js:1'], values: [1, 10 * ms, 10 * ms], labels: { 'process id': 100, route: '/users' } },
      { stack: ['work /app/a.js:1'], values: [2, 20 * ms, 20 * ms], labels: { 'process id': 100, route: '/orders' } },
      { stack: ['other /app/a.js:5'], values: [1, 15 * ms, 30 * ms], labels: { 'process id': 101, route: '/users', tenant: 'x' } },
      { stack: ['(idle)'], values: [1, 1 * ms, 900 * ms] },
    ],
  });
  const result = top(readProfile(routes), { value: 'cpu', sort: 'self', count: 1, by: { label: 'route' } });
  assert.equal(result.by, 'route');
  assert.deepEqual(result.groups.map((group) => [group.labels, group.sum / ms, group.samples, group.rows[0].name]), [
    [{ route: '/users' }, 25, 2, 'other'],
    [{ route: '/orders' }, 20, 2, 'work'],
    [{}, 1, 1, '(idle)'],
  ]);
  const text = formatTop(result, { title: 'x.pb.gz', directory: '/app', width: Infinity });
  assert.deepEqual(text.split('\n').slice(3, 9), [
    '    cpu      %  samples  route',
    '25.0 ms  54.3%        2  /users',
    '20.0 ms  43.5%        2  /orders',
    ' 1.0 ms   2.2%        1  (not labelled)',
    '',
    '/users',
  ]);
});

test('names from a file cannot steer the terminal, and long ones are cut', () => {
  const evil = buildProfile({ stacks: [{ stack: [`\u001b[2J${'x'.repeat(200)}`], values: [1, 1, 1] }] });
  const text = formatTop(top(readProfile(evil), { value: 'cpu', sort: 'self', count: 3 }), { title: 'x', directory: '/', width: 60 });
  assert.ok(!text.includes('\u001b'));
  assert.ok(text.split('\n').every((line) => line.length <= 60), text);
});

test('nothing else from a file can steer it either: value, unit, comment, label, file, and messages about them', async (t) => {
  const steer = '\u001b[2J\u009b2J\u007f';
  const stacks = [{ stack: [`${steer} /${steer}.js:1`], values: [3], labels: { 'process id': 1, 'thread id': 2, 'thread name': steer, [steer]: steer } }];
  const types = [[`v${steer}`, `u${steer}`]];
  const evil = buildProfile({ comment: steer, types, defaultType: undefined, stacks });
  // eslint-disable-next-line no-control-regex
  const harmless = (text) => assert.doesNotMatch(text, /(?!\n)[\u0000-\u001f\u007f-\u009f]/);
  for (const by of [undefined, 'thread', { label: steer }]) {
    const result = top(readProfile(evil), { value: undefined, sort: 'self', count: 3, by });
    assert.ok(result.value.includes('\u001b'), 'it comes from the file as it is');
    harmless(formatTop(result, { title: `x${steer}`, directory: '/', width: 200 }));
  }
  // The command's own messages and its JSON.
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-top-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const paths = ['evil', 'good'].map((name) => join(directory, name));
  writeFileSync(paths[0], evil);
  writeFileSync(paths[1], bytes);
  const cli = (...args) => spawnSync(process.execPath, [join(root, 'dist/cli.js'), ...args], { encoding: 'utf8', timeout: 20_000 });
  const missing = cli('top', paths[0], '--value', 'cpu');
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /the profile has no value cpu; it has v/);
  const incompatible = cli('merge', ...paths, '-o', join(directory, 'out'));
  assert.equal(incompatible.status, 1);
  assert.match(incompatible.stderr, /sample types must be the same/);
  const json = cli('top', paths[0], '--json');
  assert.equal(JSON.parse(json.stdout).value, `v${steer}`);
  for (const { stdout, stderr } of [missing, incompatible, json]) harmless(stdout + stderr);
});

test('an empty profile is no error', () => {
  const result = top(readProfile(buildProfile({ stacks: [] })), { value: 'cpu', sort: 'self', count: 10 });
  assert.deepEqual(result.rows, []);
  assert.match(formatTop(result, { title: 'x', directory: '/', width: 80 }), /0\.0 ms of cpu/);
});

test('ids and values of 64 bits stay exact, and negative values negative', () => {
  const raw = Buffer.concat([
    field(1, Buffer.from([0x08, 1, 0x10, 2])), // sample type: strings 1 and 2
    field(2, Buffer.concat([varintField(1, 2n ** 63n + 1n), varintField(2, 2n ** 64n - 5n)])),
    field(4, Buffer.concat([varintField(1, 2n ** 63n + 1n), field(4, varintField(1, 2n ** 60n + 1n))])),
    field(5, Buffer.concat([varintField(1, 2n ** 60n + 1n), varintField(2, 1n)])),
    ...['', 'cpu', 'nanoseconds'].map((text) => field(6, Buffer.from(text))),
  ]);
  const profile = readProfile(raw);
  assert.deepEqual([...profile.samples()], [{ locationIds: [2n ** 63n + 1n], values: [-5], labels: new Map() }]);
  assert.equal(top(profile, { value: undefined, sort: 'self', count: 1 }).rows[0].name, 'cpu');
});

test('a file that is truncated anywhere is an error, never a crash and never a shorter profile', () => {
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => readProfile(bytes.subarray(0, length)), (error) => error.constructor.name === 'WireError', `cut to ${length}`);
  }
});

test('damaged bytes are an error or another profile, never a crash', () => {
  const plain = gunzipSync(bytes);
  let seed = 1;
  const random = (below) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let errors = 0;
  for (let round = 0; round < 3_000; round++) {
    const copy = Buffer.from(plain);
    for (let change = 0; change < 3; change++) copy[random(copy.length)] = random(256);
    try {
      formatTop(top(readProfile(copy), { value: undefined, sort: 'self', count: 10 }), { title: 'x', directory: '/', width: 80 });
    } catch (error) {
      assert.equal(error.constructor.name, 'WireError', error.stack);
      errors += 1;
    }
  }
  assert.ok(errors > 300, `only ${errors} of 3,000 were noticed`);
});

test('foreign, missing and hostile files give a clear error', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-top-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const bomb = gzipSync(Buffer.alloc(600 * 1024 * 1024));
  for (const [name, content, reason] of [
    ['empty', '', /it is empty/],
    ['text', '{"name": "package"}', /not gzipped, and not a plain pprof message either/],
    ['gzipped-text', gzipSync('hello, this is no profile at all'), /wire type|truncated|no sample types|too large/],
    ['cut', bytes.subarray(0, bytes.length / 2), /it is truncated/],
    ['flipped', Buffer.concat([bytes.subarray(0, 40), Buffer.from([bytes[40] ^ 255]), bytes.subarray(41)]), /damaged/],
    ['bomb', bomb, /expands to more than/],
    ['entries', gzipSync(Buffer.alloc(12_000_000, Buffer.from([0x12, 0]))), /more than 5000000 entries/],
  ]) {
    const path = join(directory, name);
    writeFileSync(path, content);
    assert.throws(
      () => useProfileFile(path, (profile) => top(profile, { value: 'cpu', sort: 'self', count: 1 })),
      (error) => error.code === 'ERR_PRONGHORN_INVALID_PROFILE' && error.message.startsWith(`${path} cannot be read`) && reason.test(error.message),
      name,
    );
  }
  assert.throws(() => useProfileFile(join(directory, 'none'), () => 1), /there is no such file/);
  assert.throws(() => useProfileFile(directory, () => 1), /it is not a file/);
});

function field(number, content) {
  return Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(content.length)), content]);
}

function varintField(number, value) {
  return Buffer.concat([varint(BigInt(number * 8)), varint(value)]);
}

function varint(value) {
  const out = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...out, Number(rest)]);
    out.push(Number(rest & 127n) | 128);
  }
}
