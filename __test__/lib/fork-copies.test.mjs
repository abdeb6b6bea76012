// The reset after a fork where two copies of the package, each with a native half of its own, are in one process. A native half notices forks from the
// moment it is loaded, so each has to be reset, whichever of them runs; over two that only pretend.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createApi } from '../../build/lib/api.js';
import { forkAware } from '../../build/lib/fork/aware.js';
import { fakeNative } from './fake-native.mjs';

const CHANNELS = ['pronghorn:error', 'pronghorn:fork:reset'];
const STEPS = ['hooksOff', 'resetCollector', 'resetRecorder', 'resetBinding'];

/** Two copies of the package over two native halves, a log of the calls of both, and all that is published. */
function setup(t) {
  const [one, two] = [fakeNative()].flatMap((first) => [first, fakeNative(first)]);
  const log = [];
  for (const [name, native] of Object.entries({ one, two })) {
    for (const call of [...STEPS, 'start', 'acknowledgeFork']) {
      const original = native[call];
      native[call] = (...args) => {
        log.push(`${name}.${call}`);
        return original(...args);
      };
    }
  }
  const heard = [];
  const listener = (message, name) => heard.push({ name: name.slice('pronghorn:'.length), ...message });
  for (const name of CHANNELS) subscribe(name, listener);
  t.after(() => CHANNELS.forEach((name) => unsubscribe(name, listener)));
  const fork = (how = {}) => {
    for (const native of [one, two]) native.fork(how);
    log.length = 0;
  };
  return { one, two, log, heard, fork, first: createApi(() => one), second: createApi(() => two) };
}

/** Round by round, and in each first all collectors, then all recorders, then all bindings. */
const RESET = STEPS.flatMap((step) => [`one.${step}`, `two.${step}`]);
const off = (...natives) => natives.map((native) => native.forkState().forked);

test('the first copy has run and was stopped, the second one runs', async (t) => {
  const { one, two, log, heard, fork, first, second } = setup(t);
  first.start();
  await first.stop();
  const profiler = second.start();
  fork();
  two.poll();
  assert.deepEqual(log, [...RESET, 'two.start', 'one.acknowledgeFork']);
  assert.deepEqual(off(one, two), [false, false]);
  assert.deepEqual(heard.map(({ name, restarted }) => [name, restarted]), [['fork:reset', true]]);
  assert.equal(first.start(), profiler);
  assert.equal((await profiler.rotate()).sequence, 0);
});

test('the first copy runs, the second one is merely loaded', (t) => {
  const { one, two, log, fork, first, second } = setup(t);
  const profiler = first.start();
  assert.equal(second.start(), profiler);
  fork();
  one.poll();
  assert.deepEqual(log, [...RESET, 'one.start', 'two.acknowledgeFork']);
  assert.deepEqual(off(one, two), [false, false]);
  log.length = 0;
  assert.equal(second.resetAfterFork(), false);
  assert.deepEqual(log, []);
});

test('the process was forked off if any of the two says so, and the latest fork and the most generations count', (t) => {
  const { one, two, heard, fork, first, second } = setup(t);
  first.start();
  second.resetAfterFork();
  one.fork();
  fork({ forkedAtMonotonicNanos: 2_000n });
  one.fork({ forkedAtMonotonicNanos: 1_000n });
  assert.equal(second.resetAfterFork(), true);
  assert.deepEqual(off(one, two), [false, false]);
  assert.deepEqual([heard[0].generation, heard[0].unprofiledNanos], [3, 3_000n]);
  // Only the one that does not run was there at this fork.
  two.fork();
  one.fork();
  assert.equal(first.resetAfterFork(), true);
  assert.deepEqual(off(one, two), [false, false]);
});

test('where nothing is started both are acknowledged', async (t) => {
  const { one, two, log, heard, fork, first, second } = setup(t);
  first.start({ afterFork: 'stop' });
  assert.throws(() => second.start(), { code: 'ERR_PRONGHORN_ALREADY_STARTED' });
  fork();
  one.poll();
  assert.deepEqual(log, [...RESET, 'one.acknowledgeFork', 'two.acknowledgeFork']);
  assert.deepEqual(off(one, two), [false, false]);
  assert.equal(heard.at(-1).restarted, false);
  const profiler = second.start();
  assert.equal(first.start(), profiler);
});

test('a step of either that fails leaves both off, and all is done again', (t) => {
  for (const which of ['one', 'two']) {
    for (const step of STEPS) {
      const made = setup(t);
      const profiler = made.first.start();
      made.second.start();
      const native = made[which];
      const working = native[step];
      native[step] = () => {
        throw new Error(`${which} cannot`);
      };
      made.fork();
      made.one.poll();
      assert.deepEqual(off(made.one, made.two), [true, true], `${which}.${step}`);
      assert.ok(!made.log.includes('one.start'));
      assert.match(made.heard.at(-1).reason, /cannot/);
      native[step] = working;
      made.log.length = 0;
      assert.equal(made.second.start(), profiler);
      assert.deepEqual(made.log, [...RESET, 'one.start', 'two.acknowledgeFork'], `${which}.${step}`);
    }
  }
});

test('a fork that caught a native thread of either refuses both', (t) => {
  const { one, two, first, second } = setup(t);
  first.start();
  second.start();
  one.fork();
  two.fork({ late: true });
  one.poll();
  for (const copy of [first, second]) assert.throws(() => copy.start(), { code: 'ERR_PRONGHORN_FORKED', message: /inside V8/ });
});

test('one that cannot be acknowledged behind the start costs nobody else anything, and is reset when it is used', async (t) => {
  const { one, two, log, heard, fork, first, second } = setup(t);
  const profiler = first.start();
  second.start();
  const { acknowledgeFork: working } = two;
  two.acknowledgeFork = () => {
    throw new Error('a panic');
  };
  fork();
  one.poll();
  assert.deepEqual(heard.map((each) => each.name), ['error', 'fork:reset']);
  assert.match(heard[0].error.message, /a panic/);
  assert.equal(heard[1].restarted, true);
  assert.equal(profiler.resetAfterFork(), false);
  assert.equal((await profiler.rotate()).processId, 4_001);
  assert.throws(() => second.start(), { code: 'ERR_PRONGHORN_FORKED', message: /a panic/ });
  two.acknowledgeFork = working;
  log.length = 0;
  assert.equal(second.start(), profiler);
  assert.deepEqual(log, [...STEPS.map((step) => `two.${step}`), 'two.acknowledgeFork']);
});

test('one that was loaded before the fork and is first used after the reset is reset alone: what runs goes on', async (t) => {
  const { one, two, log, heard, fork, first, second } = setup(t);
  const profiler = first.start();
  fork();
  one.poll();
  assert.deepEqual(off(one, two), [false, true]);
  const { sequence } = await profiler.rotate();
  log.length = 0;
  heard.length = 0;
  assert.equal(second.start(), profiler);
  assert.deepEqual(log, [...STEPS.map((step) => `two.${step}`), 'two.acknowledgeFork']);
  assert.deepEqual(heard, []);
  assert.equal((await profiler.rotate()).sequence, sequence + 1);
});

test('one that was loaded before the fork and is used before the reset takes part in it', (t) => {
  const { one, two, log, fork, first, second } = setup(t);
  const profiler = first.start();
  fork();
  assert.equal(second.start(), profiler);
  assert.deepEqual(log, [...RESET, 'one.start', 'two.acknowledgeFork']);
  assert.deepEqual(off(one, two), [false, false]);
});

test('whether there is a thread pool is what all of them say', (t) => {
  const { one, two, first, second } = setup(t);
  first.resetAfterFork();
  second.start();
  assert.deepEqual([one, two].map((each) => forkAware(each).chain.hasThreadPool), [true, true]);
  // The second binary was loaded after a fork without handlers, of which only the first one knows.
  one.hasThreadPool = () => false;
  assert.deepEqual([one, two].map((each) => forkAware(each).chain.hasThreadPool), [false, false]);
});

test('two objects over one binary do no harm to each other', (t) => {
  const { one, first } = setup(t);
  const profiler = first.start();
  const again = createApi(() => same);
  const same = { ...one };
  assert.equal(again.start(), profiler);
  one.fork();
  one.poll();
  assert.equal(one.forkState().forked, false);
  assert.equal(one.calls.at(-1)[0], 'start');
  assert.equal(again.start(), profiler);
});
