import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { damageOf, findBinary } from '../../build/lib/binary.js';
import { AbortedError, AlreadyStartedError, describe, fromNative, InvalidOptionError, nativeCode, PronghornError } from '../../build/lib/errors.js';
import { foreignRuntime, loadFailure } from '../../build/lib/native.js';

test('every error is a PronghornError and an Error, with name and code', () => {
  for (const [error, name, code] of [
    [new InvalidOptionError('a', 1, 'two'), 'PronghornError', 'ERR_PRONGHORN_INVALID_OPTION'],
    [new AlreadyStartedError('/app/a.js:1:2', 'and still runs'), 'PronghornError', 'ERR_PRONGHORN_ALREADY_STARTED'],
    [new AbortedError('because'), 'AbortError', 'ERR_PRONGHORN_ABORTED'],
  ]) {
    assert.ok(error instanceof PronghornError && error instanceof Error);
    assert.equal(error.name, name);
    assert.equal(error.code, code);
    assert.ok(error.stack.startsWith(name) || error.stack.startsWith('Error'), error.stack);
  }
  assert.equal(new AbortedError('because').cause, 'because');
});

test('errors of the native half keep code and message, and unknown codes become internal', () => {
  const native = Object.assign(new Error('no slot'), { code: 'ERR_PRONGHORN_SERIALIZE_FAILED' });
  const error = fromNative(native);
  assert.equal(error.code, 'ERR_PRONGHORN_SERIALIZE_FAILED');
  assert.equal(error.message, 'no slot');
  assert.equal(error.cause, native);
  assert.equal(fromNative(error), error);
  for (const other of [new TypeError('x'), 'text', undefined, null, { code: 'ERR_PRONGHORN_MADE_UP' }]) {
    assert.equal(fromNative(other).code, 'ERR_PRONGHORN_INTERNAL');
  }
  assert.equal(nativeCode('GenericFailure'), 'ERR_PRONGHORN_INTERNAL');
});

test('values are described shortly, whatever they are', () => {
  assert.equal(describe('x'.repeat(1000)).length, 83);
  for (const [value, text] of [[-0, '-0'], [1n, '1n'], [null, 'null'], [[], 'an array'], [{}, 'an object'], [Symbol('s'), 'Symbol(s)'], [Object.create(null), 'an object']]) {
    assert.equal(describe(value), text);
  }
});

const linux = { versions: { node: '24.21.0' }, platform: 'linux', arch: 'x64', config: { variables: {} } };

test('foreign runtimes are named', () => {
  assert.equal(foreignRuntime(linux), undefined);
  for (const [change, words] of [
    [{ versions: { node: '24.3.0', bun: '1.3.0' } }, /Bun 1\.3\.0/],
    [{ versions: { node: '24.2.0', deno: '2.5.0' } }, /Deno 2\.5\.0/],
    [{ versions: { node: '22.20.0', electron: '39.0.0' } }, /Electron 39\.0\.0/],
    [{ config: { variables: { v8_enable_pointer_compression: 1 } } }, /pointer compression/],
  ]) {
    assert.match(foreignRuntime({ ...linux, ...change }), words);
  }
});

test('a refused or missing addon gives a reason and a way out', () => {
  const because = (code, message = 'no') => Object.assign(new Error(message), { code });
  assert.match(loadFailure(because('ERR_DLOPEN_DISABLED'), linux, 'gnu'), /--no-addons/);
  assert.match(loadFailure(because('ERR_DLOPEN_DISABLED'), { ...linux, permission: {} }, 'gnu'), /add --allow-addons/);
  assert.match(loadFailure(because('ERR_ACCESS_DENIED'), { ...linux, permission: {} }, 'gnu'), /--allow-fs-read/);
  assert.match(loadFailure(because('ERR_DLOPEN_FAILED', 'libc.so.6: version\nmore'), linux, 'gnu'), /\(libc\.so\.6: version\); it is for linux on x64 with glibc 2\.28 or later$/);
  assert.match(loadFailure(because('MODULE_NOT_FOUND'), linux, 'gnu'), /linux on x64 with glibc is missing: the package pronghorn-linux-x64-gnu is not installed; .*npm run build/);
  assert.match(loadFailure('nonsense', linux, 'gnu'), /nonsense/);
});

test('a binary that is cut short is noticed before it is loaded', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-binary-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const whole = readFileSync(findBinary('linux-x64-gnu'));
  const path = join(directory, 'x.node');
  for (const [content, verdict] of [
    [whole, undefined],
    [whole.subarray(0, -1), /cut short/],
    [whole.subarray(0, whole.length / 2), /cut short/],
    [whole.subarray(0, 64), /cut short/],
    [whole.subarray(0, 63), /no shared library/],
    [Buffer.alloc(0), /no shared library/],
    [Buffer.from('#!/bin/sh'.repeat(20)), /no shared library/],
  ]) {
    writeFileSync(path, content);
    const damage = damageOf(path);
    if (verdict === undefined) assert.equal(damage, undefined);
    else assert.match(damage, verdict);
  }
});
