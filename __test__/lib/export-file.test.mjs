// The folder of a file exporter: whole files only, the bounds kept, the newest never removed, and nobody's unfinished file taken from him.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { FileExporter } from '../../build/lib/export/file.js';
import { writeAtomically } from '../../build/lib/files.js';
import { isAbandoned, isTemporary, temporaryName } from '../../build/lib/temporary-file.js';
import { root } from '../helpers/nodes.mjs';

const never = () => new AbortController().signal;
const report = (sequence, { data = Buffer.alloc(100, 'p'), runtimeId = 'aaaaaaaa-1', processId = 42 } = {}) => ({
  profile: { data, sequence, processId, runtimeId, startTime: new Date(1_700_000_000_000 + sequence * 60_000) }, service: 's', labels: {},
});

function setup(t, limits = {}, hasThreadPool = () => true) {
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-files-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const exporter = new FileExporter({ directory, maxFiles: 1_000, maxBytes: 1e9, ...limits }, hasThreadPool);
  return { directory, exporter, list: () => readdirSync(directory).sort(), numbers: () => readdirSync(directory).filter((name) => name.endsWith('.gz')).map((name) => Number(name.split('.')[4])).sort((a, b) => a - b) };
}

/** Dates a file so many seconds from now. */
const date = (path, seconds) => utimesSync(path, Date.now() / 1_000 + seconds, Date.now() / 1_000 + seconds);

for (const how of ['in the thread pool', 'on this thread', 'without a thread pool']) {
  const make = (t, limits) => {
    const world = setup(t, limits, () => how !== 'without a thread pool');
    const write = async (...args) => (how === 'on this thread' ? world.exporter.sendSync(report(...args)) : world.exporter.send(report(...args), never()));
    return { ...world, write };
  };

  test(`${how}: maxFiles, the oldest go`, async (t) => {
    const { write, numbers } = make(t, { maxFiles: 3 });
    for (let sequence = 0; sequence < 5; sequence++) date((await write(sequence)).path, sequence - 100);
    assert.deepEqual(numbers(), [2, 3, 4]);
  });

  test(`${how}: maxBytes, and the newest stays whatever its size`, async (t) => {
    const { write, numbers } = make(t, { maxBytes: 250 });
    for (let sequence = 0; sequence < 4; sequence++) date((await write(sequence)).path, sequence - 100);
    assert.deepEqual(numbers(), [2, 3]);
    await write(4, { data: Buffer.alloc(10_000) });
    assert.deepEqual(numbers(), [4]);
  });

  test(`${how}: after the clock was set back what was written last stays, and of one process the numbers say what is old`, async (t) => {
    const { write, numbers } = make(t, { maxFiles: 3 });
    for (let sequence = 0; sequence < 3; sequence++) date((await write(sequence)).path, 3_600 + sequence);
    for (let sequence = 3; sequence < 6; sequence++) {
      const { path } = await write(sequence);
      assert.ok(existsSync(path), 'it was counted as exported');
      assert.deepEqual(numbers(), [sequence - 2, sequence - 1, sequence]);
    }
  });

  test(`${how}: files of others and what register writes count; anything else is left alone`, async (t) => {
    const { directory, write, list } = make(t, { maxFiles: 2 });
    const foreign = ['CPU.20240101.000000.1.0.pb.gz', 'CPU.20240101.000000.1.7.bbbbbbbb.pb.gz'];
    const others = ['CPU.20240101.000000.1.0.pb.gz.bak', 'notes.txt', '.pronghorn-x.tmp', 'CPU.pb.gz'];
    [...foreign, ...others].forEach((name, index) => (writeFileSync(join(directory, name), 'x'), date(join(directory, name), index - 1_000)));
    await write(0);
    const ours = list().filter((name) => !others.includes(name));
    assert.deepEqual([ours.length, ours.includes(foreign[0]), ours.includes(foreign[1])], [2, false, true], ours.join());
    assert.deepEqual(list().filter((name) => others.includes(name)), [...others].sort());
  });

  test(`${how}: what a dead writer has left goes, what a living one writes stays`, async (t) => {
    const { directory, write } = make(t);
    const own = temporaryName(join(directory, 'x'));
    const dead = spawnSync(process.execPath, ['--input-type=module', '-e', `import { temporaryName } from ${JSON.stringify(join(root, 'build/lib/temporary-file.js'))}; import { writeFileSync } from 'node:fs'; const name = temporaryName(process.argv[1] + '/x'); writeFileSync(name, 'half'); console.log(name);`, directory], { encoding: 'utf8' });
    const left = dead.stdout.trim();
    // Another machine's or container's: its numbers mean nothing here.
    const elsewhere = own.replace(/\.pronghorn-[0-9a-f]{8}/, '.pronghorn-00000001').replace(/-\d+-(?=[0-9a-f]{8}-)/, '-4194303-');
    const elsewhereOld = elsewhere.replace(/.{8}\.tmp$/, 'dddddddd.tmp');
    const before = join(directory, '.pronghorn-11111111-2222-4333-8444-555555555555.tmp');
    for (const path of [own, elsewhere, elsewhereOld, before]) writeFileSync(path, 'half');
    date(elsewhereOld, -90_000);
    for (const path of [own, left, elsewhere, elsewhereOld, before]) assert.ok(isTemporary(path.slice(directory.length + 1)), path);
    await write(0);
    assert.deepEqual([own, left, elsewhere, elsewhereOld, before].map(existsSync), [true, false, true, false, true]);
  });
}

test('a file of this process is never abandoned, whatever its number, but after a day', () => {
  const name = temporaryName('/x/y').slice('/x/'.length);
  assert.deepEqual([isTemporary(name), isAbandoned(name, 3_600_000), isAbandoned(name, 90_000_000)], [true, false, true]);
  assert.deepEqual(['.pronghorn-.tmp', 'x.tmp', 'CPU.1.pb.gz'].map(isTemporary), [false, false, false]);
});

test('an attempt that is aborted leaves nothing, at once, and what is written meanwhile on this thread is whole', async (t) => {
  const { directory, exporter, list } = setup(t);
  const data = Buffer.alloc(4_000_000, 'x');
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController();
    const sent = exporter.send(report(round, { data }), controller.signal).catch((error) => error);
    // At different places of the write.
    for (let turn = 0; turn < round % 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    assert.deepEqual(list().filter((name) => !name.endsWith('.pb.gz')), []);
    const { path } = exporter.sendSync(report(round, { data }));
    await sent;
    assert.deepEqual([list().length, statSync(path).size], [round + 1, data.length]);
  }
  const openSizes = readdirSync('/proc/self/fd').map((fd) => statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.size);
  assert.ok(!openSizes.includes(data.length), 'a descriptor stays open');
  assert.ok(existsSync(directory));
});

test('the same of writeAtomically() alone', async (t) => {
  const { directory, list } = setup(t);
  const aborted = AbortSignal.abort();
  await assert.rejects(writeAtomically(join(directory, 'x'), Buffer.alloc(10), undefined, aborted), { name: 'AbortError' });
  assert.deepEqual(list(), []);
});

test('two processes in one folder: both keep to the bounds, and a reader only ever sees whole files', async (t) => {
  const { directory, numbers } = setup(t);
  const data = gzipSync(Buffer.alloc(3_000_000, 'abcdefgh'), { level: 0 });
  writeFileSync(join(directory, 'data'), data);
  const source = `import { FileExporter } from ${JSON.stringify(join(root, 'build/lib/export/file.js'))}; import { readFileSync } from 'node:fs';
const [directory, id] = process.argv.slice(1);
const exporter = new FileExporter({ directory, maxFiles: 6, maxBytes: 1e9 }, () => true);
const data = readFileSync(directory + '/data');
for (let sequence = 0; sequence < 25; sequence++) {
  const report = { profile: { data, sequence, processId: process.pid, runtimeId: id.repeat(8), startTime: new Date() }, service: 's', labels: {} };
  if (sequence % 3 === 0) exporter.sendSync(report); else await exporter.send(report, new AbortController().signal);
}`;
  const codes = [];
  for (const id of ['a', 'b']) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', source, directory, id], { stdio: 'inherit' });
    t.after(() => child.kill());
    child.on('exit', (code) => codes.push(code));
  }
  let seen = 0;
  for (const end = performance.now() + 60_000; codes.length < 2 && performance.now() < end; ) {
    for (const name of readdirSync(directory).filter((each) => each.endsWith('.pb.gz'))) {
      let bytes;
      try {
        bytes = readFileSync(join(directory, name));
      } catch (error) {
        assert.equal(error.code, 'ENOENT');
        continue;
      }
      assert.equal(bytes.length, data.length, name);
      if (seen++ % 10 === 0) gunzipSync(bytes);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(codes, [0, 0]);
  assert.ok(seen > 0);
  assert.equal(numbers().length, 6);
  assert.deepEqual(readdirSync(directory).filter((name) => name.endsWith('.tmp')), []);
});
