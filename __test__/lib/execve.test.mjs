// process.execve() under a profiler, on an object that stands in for `process`.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { ExecveGuard } from '../../build/lib/execve.js';
import { fakeNative, nativeError } from './fake-native.mjs';

function setup(t, { fails = false } = {}) {
  const log = [];
  const native = { ...fakeNative(), suspend: () => log.push('suspend'), resume: () => log.push('resume') };
  const original = function (path, ...rest) {
    log.push(['original', this === holder, path, rest.length]);
    if (fails) throw new Error('no such program');
  };
  const holder = { execve: original };
  const guard = new ExecveGuard(native, () => log.push('flush'), (error) => log.push(`failed: ${error.message}`), holder);
  const failures = [];
  const listener = ({ error }) => failures.push(error.message);
  subscribe('pronghorn:error', listener);
  t.after(() => unsubscribe('pronghorn:error', listener));
  return { log, native, holder, original, guard, failures };
}

test('the profile is delivered and signals stop before the original is called', (t) => {
  const { log, holder, original, guard } = setup(t);
  guard.start();
  assert.equal(holder.execve.length, original.length);
  assert.equal(holder.execve.name, 'execve');
  holder.execve('/bin/true', ['true'], {});
  // The stand-in comes back, as something might that wraps the original and swallows its error: then sampling goes on.
  assert.deepEqual(log, ['flush', 'suspend', ['original', true, '/bin/true', 2], 'resume']);
});

test('if it throws, sampling resumes and the program gets the error', (t) => {
  const { log, holder, guard } = setup(t, { fails: true });
  guard.start();
  assert.throws(() => holder.execve('/nowhere'), /no such program/);
  assert.deepEqual(log, ['flush', 'suspend', ['original', true, '/nowhere', 0], 'resume']);
});

test('a profile that cannot be delivered does not keep the program from becoming another', (t) => {
  const { log, native, holder, failures } = setup(t);
  const refuses = new ExecveGuard(
    native,
    () => {
      throw nativeError('ERR_PRONGHORN_SERIALIZE_FAILED', 'no memory');
    },
    () => undefined,
    holder,
  );
  refuses.start();
  holder.execve('/bin/true');
  assert.deepEqual(failures, ['no memory']);
  assert.deepEqual(log.map(String), ['suspend', 'original,true,/bin/true,0', 'resume']);
});

test('sampling that cannot go on is a failure of the profiler', (t) => {
  const { log, native, holder, guard } = setup(t, { fails: true });
  native.resume = () => {
    throw nativeError('ERR_PRONGHORN_INTERNAL', 'no thread');
  };
  guard.start();
  assert.throws(() => holder.execve('/nowhere'), /no such program/);
  assert.equal(log.at(-1), 'failed: no thread');
});

test('it is taken away once, put back once, and left alone where somebody else has wrapped it', (t) => {
  const { log, holder, original, guard } = setup(t);
  guard.start();
  const ours = holder.execve;
  guard.start();
  assert.equal(holder.execve, ours);
  guard.hooksOff();
  guard.hooksOff();
  assert.equal(holder.execve, original);
  guard.start();
  const inner = holder.execve;
  const theirs = (...args) => inner(...args);
  holder.execve = theirs;
  guard.hooksOff();
  assert.equal(holder.execve, theirs);
  holder.execve('/bin/true');
  assert.deepEqual(log.map(String), ['original,false,/bin/true,0']);
  // Started again around theirs: once, not twice.
  guard.start();
  holder.execve('/bin/true');
  assert.deepEqual(log.slice(1).map(String), ['flush', 'suspend', 'original,false,/bin/true,0', 'resume']);
});

test('where it cannot be put in place nothing happens; where it cannot be taken away it only calls the original', (t) => {
  const { log, holder, original, guard } = setup(t);
  const freeze = () => Object.defineProperty(holder, 'execve', { writable: false });
  freeze();
  guard.start();
  assert.equal(holder.execve, original);
  Object.defineProperty(holder, 'execve', { writable: true });
  guard.start();
  const ours = holder.execve;
  assert.notEqual(ours, original);
  freeze();
  guard.hooksOff();
  assert.equal(holder.execve, ours);
  holder.execve('/bin/true');
  assert.deepEqual(log.map(String), ['original,true,/bin/true,0']);
});

test('while it rests it only calls the original, which is put back later', (t) => {
  const { log, holder, original, guard } = setup(t);
  guard.start();
  const ours = holder.execve;
  guard.rest();
  assert.equal(holder.execve, ours);
  holder.execve('/bin/true');
  assert.deepEqual(log.map(String), ['original,true,/bin/true,0']);
  guard.hooksOff();
  assert.equal(holder.execve, original);
  guard.start();
  holder.execve('/bin/true');
  assert.deepEqual(log.slice(1).map(String), ['flush', 'suspend', 'original,true,/bin/true,0', 'resume']);
});

test('in a child that has not been reset it does nothing of its own', (t) => {
  const { log, native, holder, guard } = setup(t);
  guard.start();
  native.fork();
  holder.execve('/bin/true');
  assert.deepEqual(log.map(String), ['original,true,/bin/true,0']);
});

test('where there is no process.execve nothing is added', (t) => {
  const { native } = setup(t);
  const holder = {};
  const guard = new ExecveGuard(native, () => undefined, () => undefined, holder);
  guard.start();
  guard.hooksOff();
  assert.deepEqual(Object.keys(holder), []);
});
