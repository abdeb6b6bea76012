import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freeProfilePath, prepareDirectory, profileName, writeNewProfileSync } from '../../build/lib/files.js';
import { Profile } from '../../build/lib/profile.js';

const folder = (t) => {
  const path = mkdtempSync(join(tmpdir(), 'pronghorn-files-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
};
const native = { data: Buffer.from('bytes'), startTimeNanos: 1_700_000_000_123_456_789n, endTimeNanos: 1_700_000_001_000_000_000n, stats: {} };
const aProfile = () => new Profile(native, { processId: 7, runtimeId: 'r', sequence: 3 });

test('a name is in local time, with two digits each', () => {
  assert.equal(profileName(new Date(2026, 0, 2, 3, 4, 5), 42, 7), 'CPU.20260102.030405.42.7.pb.gz');
  assert.equal(profileName(new Date(2026, 10, 23, 23, 59, 59), 1, 0), 'CPU.20261123.235959.1.0.pb.gz');
});

test('times are exact in nanoseconds and rounded down in dates', () => {
  const profile = aProfile();
  assert.equal(profile.startTime.toISOString(), '2023-11-14T22:13:20.123Z');
  assert.equal(profile.endTime.getTime(), 1_700_000_001_000);
});

test('save() creates folders, replaces a file whole, and returns the absolute path', async (t) => {
  const directory = folder(t);
  const path = join(directory, 'a', 'b', 'p.pb.gz');
  assert.equal(await aProfile().save(path), path);
  writeFileSync(path, 'something old and longer than the new');
  assert.equal(aProfile().saveSync(path), path);
  assert.equal(readFileSync(path, 'utf8'), 'bytes');
  assert.deepEqual(readdirSync(join(directory, 'a', 'b')), ['p.pb.gz']);
});

test('a path that cannot be written is a clear error, and nothing is left behind', async (t) => {
  const directory = folder(t);
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const profile = aProfile();
  for (const path of [join(file, 'p.pb.gz'), directory, '/proc/nowhere/p.pb.gz', join(directory, '\0')]) {
    const expected = { code: 'ERR_PRONGHORN_WRITE_FAILED' };
    await assert.rejects(profile.save(path), (error) => error.code === expected.code && error.message.includes(path) && error.cause !== undefined);
    assert.throws(() => profile.saveSync(path), expected);
  }
  assert.deepEqual(readdirSync(directory), ['file']);
  assert.equal(profile.data.toString(), 'bytes');
});

test('new profiles never take the name of another file', (t) => {
  const directory = folder(t);
  const when = new Date(2026, 10, 23, 12, 0, 0);
  writeFileSync(join(directory, profileName(when, 1, 0)), 'theirs');
  const paths = [0, 1, 2].map(() => writeNewProfileSync(directory, when, 1, Buffer.from('ours')));
  assert.deepEqual(paths, [1, 2, 3].map((sequence) => join(directory, profileName(when, 1, sequence))));
  assert.equal(readFileSync(join(directory, profileName(when, 1, 0)), 'utf8'), 'theirs');
  assert.equal(freeProfilePath(directory, when, 1), join(directory, profileName(when, 1, 4)));
  assert.equal(readdirSync(directory).length, 4);
});

test('the folder is created at the start, and refused with a reason', (t) => {
  const directory = folder(t);
  assert.equal(prepareDirectory(join(directory, 'x', 'y')), join(directory, 'x', 'y'));
  assert.ok(existsSync(join(directory, 'x', 'y')));
  writeFileSync(join(directory, 'file'), '');
  assert.throws(() => prepareDirectory(join(directory, 'file', 'x')), { code: 'ERR_PRONGHORN_WRITE_FAILED' });
  assert.throws(() => prepareDirectory(join(directory, 'file')), { code: 'ERR_PRONGHORN_WRITE_FAILED' });
});
