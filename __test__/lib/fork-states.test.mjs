// What each component keeps, after a reset: every field is set to something that it never holds by itself, and none of that is left but what a child is to
// remember. The states are private; they are looked at as a debugger does.
import assert from 'node:assert/strict';
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createApi } from '../../build/lib/api.js';
import { ExecveGuard } from '../../build/lib/execve.js';
import { ExportQueue } from '../../build/lib/export/queue.js';
import { upload, uploads } from '../../build/lib/export/upload.js';
import { ProfileSequence } from '../../build/lib/profile-sequence.js';
import { forkAware } from '../../build/lib/fork/aware.js';
import { ORDER } from '../../build/lib/fork/component.js';
import { Identity } from '../../build/lib/identity.js';
import { LabelScopes } from '../../build/lib/labels/scopes.js';
import { openFiles } from '../../build/lib/open-files.js';
import { Promises } from '../../build/lib/fork/promises.js';
import { Scheduler } from '../../build/lib/scheduler.js';
import { Workers } from '../../build/lib/threads.js';
import { profileWholeProgram } from '../../build/lib/whole-program.js';
import { startMisbehaving } from '../helpers/misbehaving.mjs';
import { insideOf, seenBy } from '../helpers/insides.mjs';
import { fakeNative } from './fake-native.mjs';

const reading = { realtimeNanos: 1_800_000_000_123_000_000n, monotonicNanos: 7n, cpuNanos: 3n };
const fork = { forked: true, generation: 5, pid: 4_711, parentPid: 4_000, late: false, worker: false, forkingThread: true, forkedAtMonotonicNanos: 1n };
const restart = { reading, fork, verdict: { restart: true, reason: undefined, refusal: undefined } };
const stay = { ...restart, verdict: { restart: false, reason: 'a test says so', refusal: undefined } };

/** Components that this file is about; the others keep nothing here. */
const KEEPS = ['files', 'profile sequence', 'uploads', 'queues', 'identity', 'execve', 'workers', 'labels', 'whole program', 'scheduler', 'promises', 'profiler'];

test('every component that keeps something is looked at here', () => {
  // The native half keeps its own, which Rust's compiler sees to; what the cluster's keeps goes with its hooks, see fork-cluster.test.mjs.
  assert.deepEqual(KEEPS, ORDER.filter((name) => !['collector', 'recorder', 'binding', 'cluster'].includes(name)));
});

/** Sets every field of an object, and returns what each was set to. */
function mark(state) {
  const marks = Object.fromEntries(Object.keys(state).map((field) => [field, { markOf: field }]));
  assert.ok(Object.keys(marks).length > 0);
  return Object.assign(state, marks), marks;
}

/** Marks the state of a component, resets it, and returns the state that is there then. */
function afterReset(component, reset, owner = component) {
  const before = insideOf(owner, '#state');
  const marks = mark(before);
  component.resetAfterFork(reset);
  const after = insideOf(owner, '#state');
  assert.notEqual(after, before, `${component.name}: the state is not replaced`);
  assert.deepEqual(Object.keys(after), Object.keys(before), `${component.name}: fields come and go`);
  return { marks, after };
}

for (const [what, reset] of Object.entries({ 'that is profiled': restart, 'that stays off': stay })) {
  test(`profile sequence, execve and workers keep nothing in a child ${what}`, () => {
    const native = fakeNative();
    const sequence = () => new ProfileSequence(new Identity(native));
    const fresh = sequence();
    fresh.begin(reading.realtimeNanos);
    assert.deepEqual(afterReset(sequence(), reset).after, insideOf(fresh, '#state'));
    const guard = () => new ExecveGuard(native, () => undefined, () => undefined, {});
    assert.deepEqual(afterReset(guard(), reset).after, insideOf(guard(), '#state'));
    const workers = () => new Workers(() => []);
    assert.deepEqual(afterReset(workers(), reset).after, insideOf(workers(), '#state'));
  });

  test(`identity: a child ${what} remembers its parent and the root of the family, and nothing else`, () => {
    const { marks, after } = afterReset(new Identity(fakeNative()), reset);
    const { runtimeId, ...others } = after;
    assert.match(runtimeId, /^[0-9a-f-]{16,}$/);
    assert.deepEqual(others, { parentRuntimeId: marks.runtimeId, rootRuntimeId: marks.rootRuntimeId, pid: fork.pid, generation: fork.generation });
  });
}

test('labels: the child goes on with the numbers that its work carries, and has to ask for them again', () => {
  for (const reset of [restart, stay]) {
    const { marks, after } = afterReset(new LabelScopes(), reset);
    assert.deepEqual(after, { labelling: marks.labelling, first: new Map(), steps: 0 });
  }
});

test('profiler: where it stays off nothing is left, and where it starts again only what the start says', () => {
  for (const afterFork of ['stop', 'restart']) {
    const native = fakeNative();
    const profiler = createApi(() => native).start({ afterFork });
    const before = insideOf(profiler, '#state');
    mark(before);
    native.fork();
    native.poll();
    const after = insideOf(profiler, '#state');
    assert.notEqual(after, before);
    // A start in a process of its own, which nothing has happened to.
    const other = fakeNative();
    const fresh = insideOf(createApi(() => other).start(), '#state');
    const expected = afterFork === 'restart' ? fresh : { ...fresh, running: false, periodBeganNanos: 0n, lastCapabilities: undefined };
    assert.deepEqual(Object.keys(after), Object.keys(before));
    assert.deepEqual(after, expected, afterFork);
  }
});

test('whole program: the child’s file is named after the reset', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pronghorn-states-'));
  const { PRONGHORN_OUTPUT_DIR: kept } = process.env;
  process.env.PRONGHORN_OUTPUT_DIR = folder;
  const native = fakeNative();
  profileWholeProgram(() => native);
  const program = insideOf(forkAware(native).chain, '#components').find(({ name }) => name === 'whole program');
  t.after(() => {
    program.hooksOff();
    rmSync(folder, { recursive: true, force: true });
    if (kept === undefined) delete process.env.PRONGHORN_OUTPUT_DIR;
    else process.env.PRONGHORN_OUTPUT_DIR = kept;
  });
  for (const reset of [restart, stay]) {
    const { cancel, ...after } = afterReset(program, reset).after;
    assert.deepEqual(after, { when: new Date(1_800_000_000_123), timeIsOver: false, ending: false, stopped: false, inHand: undefined, troubled: new Set() });
    assert.equal(cancel.name, 'nothing');
  }
});

test('promises: none is pending in a child, each has rejected, and what it had left in the process is put away', async () => {
  const promises = new Promises({ resetAfterFork: () => false });
  const before = insideOf(promises, '#pending');
  const put = [];
  const given = [1, 2].map((number) => promises.track(new Promise(() => undefined), { deliver: (it) => it, abandon: () => put.push(number), unwatched: true }));
  assert.equal(before.size, 2);
  const [entry] = before;
  assert.deepEqual(Object.keys(entry).sort(), ['abandon', 'promise', 'reject'], 'a field that this test does not know');
  promises.resetAfterFork();
  const after = insideOf(promises, '#pending');
  assert.notEqual(after, before);
  assert.equal(after.size, 0);
  for (const each of given) await assert.rejects(each, { code: 'ERR_PRONGHORN_FORKED' });
  assert.deepEqual(put, [1, 2]);
});

test('files: those that the parent was writing are closed and given up, those of the child go on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pronghorn-states-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ended = [];
  /** A file of the process `pid`; `moved`: its descriptor points at another one by now. */
  const entry = (name, pid, moved = false) => {
    let reject;
    const promise = new Promise((_resolve, fail) => (reject = fail));
    const file = openSync(join(folder, name), 'w');
    const { dev, ino } = fstatSync(file, { bigint: true });
    return { pid, file, inode: moved ? '1:1' : `${dev}:${ino}`, promise, reject, endWatch: () => ended.push(name) };
  };
  const [theirs, reused, own] = [entry('theirs', 1), entry('reused', 1, true), entry('own', process.pid)];
  const before = seenBy(openFiles.resetAfterFork, 'writing');
  for (const each of [theirs, reused, own]) before.add(each);
  openFiles.resetAfterFork(restart);
  const after = seenBy(openFiles.resetAfterFork, 'writing');
  t.after(() => after.clear());
  assert.notEqual(after, before);
  assert.deepEqual([...after], [own]);
  assert.deepEqual(ended, ['theirs', 'reused']);
  assert.throws(() => fstatSync(theirs.file), { code: 'EBADF' });
  for (const each of [reused, own]) closeSync(each.file);
  for (const each of [theirs, reused]) await assert.rejects(each.promise, { code: 'ERR_PRONGHORN_FORKED' });
});

/** A time in which nothing happens. */
const standing = { now: () => 0, random: () => 0, inOwnProcess: () => true, after: () => () => undefined, deadline: () => () => undefined };

test('queues and scheduler: nothing waits in a child, nothing is counted, and one that stays off has left the chain', () => {
  for (const reset of [restart, stay]) {
    let left = 0;
    const enter = () => () => void (left += 1);
    const queue = () => new ExportQueue({ exporter: { name: 'x', send: () => undefined }, place: 'x', limits: {}, time: standing, join: enter });
    const scheduler = () => new Scheduler({ periodMs: 1_000, what: {}, time: standing, join: enter });
    assert.equal(seenFresh(queue(), reset).entries.length, 0);
    assert.equal(seenFresh(scheduler(), reset).held, undefined);
    // A queue that was just being closed has nothing to do in any child; the mark stands for that.
    assert.equal(left, reset === stay ? 2 : 1);
  }
});

/** The state after a reset, which is that of a new one. */
function seenFresh(component, reset) {
  const fresh = structuredClone(withoutFunctions(insideOf(component, '#state')));
  const { after } = afterReset(component, reset);
  assert.deepEqual(withoutFunctions(after), fresh, component.name);
  return after;
}

const withoutFunctions = (state) => Object.fromEntries(Object.entries(state).filter(([, value]) => typeof value !== 'function'));

test('uploads: those of the parent are destroyed, those of the child go on', async (t) => {
  const server = await startMisbehaving({ delayMs: 200 });
  t.after(() => server.stop());
  const { signal } = new AbortController();
  const send = () => upload({ url: new URL(server.url), method: 'POST', headers: {}, body: [Buffer.from('x')], timeoutMs: 5_000, signal });
  const own = send();
  const theirs = send();
  let settled = false;
  theirs.then(() => (settled = true), () => (settled = true));
  const before = seenBy(uploads.resetAfterFork, 'open');
  const [first, second] = before;
  assert.deepEqual(Object.keys(second).sort(), ['endTimeout', 'pid', 'request'], 'a field that this test does not know');
  Object.defineProperty(second, 'pid', { value: 1 });
  uploads.hooksOff(restart);
  uploads.resetAfterFork(restart);
  const after = seenBy(uploads.resetAfterFork, 'open');
  assert.notEqual(after, before);
  assert.deepEqual([...after], [first]);
  assert.deepEqual([first.request.destroyed, second.request.destroyed], [false, true]);
  assert.equal((await own).status, 200);
  assert.equal(settled, false, 'whoever waits for it is in the parent');
});
