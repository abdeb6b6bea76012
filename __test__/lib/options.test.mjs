import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEnvironment } from '../../build/lib/environment.js';
import { OPTIONS, parseOption, validateOptions } from '../../build/lib/options.js';

const defaults = { intervalMicros: 10_000, maxDepth: 1_024, nativeFrames: 'all', threads: 'all', afterFork: 'restart', sourceMaps: true, stallThresholdMs: 0, stallOutput: 'stderr' };

test('without options, and with undefined ones, the defaults apply', () => {
  assert.deepEqual(validateOptions(undefined), defaults);
  assert.deepEqual(validateOptions({}), defaults);
  assert.deepEqual(validateOptions({ intervalMicros: undefined, nativeFrames: undefined }), defaults);
});

test('the ends of each range are allowed', () => {
  for (const intervalMicros of [1_000, 1_000_000]) assert.equal(validateOptions({ intervalMicros }).intervalMicros, intervalMicros);
  for (const maxDepth of [8, 1_024]) assert.equal(validateOptions({ maxDepth }).maxDepth, maxDepth);
  for (const nativeFrames of ['none', 'leaf', 'all']) assert.equal(validateOptions({ nativeFrames }).nativeFrames, nativeFrames);
  for (const sourceMaps of [true, false]) assert.equal(validateOptions({ sourceMaps }).sourceMaps, sourceMaps);
  for (const stallThresholdMs of [0, 20, 3_600_000]) assert.equal(validateOptions({ stallThresholdMs }).stallThresholdMs, stallThresholdMs);
  for (const stallOutput of ['stderr', '/var/log/stalls', 'x']) assert.equal(validateOptions({ stallOutput }).stallOutput, stallOutput);
  for (const threads of ['main', 'all']) assert.equal(validateOptions({ threads }).threads, threads);
});

const wrong = {
  intervalMicros: [999, 1_000_001, 1_500.5, NaN, Infinity, -1, '10000', null, true, {}, [], 10_000n, Symbol('x'), () => 1],
  maxDepth: [7, 1_025, 0, -1, 8.5, '64', null],
  nativeFrames: ['', 'ALL', 'some', 1, null, ['all'], true],
  threads: ['', 'Main', 'worker', 1, null, ['all'], true],
  afterFork: ['', 'start', 'off', null, false, ['stop']],
  sourceMaps: ['', 'true', 0, 1, null, []],
  stallThresholdMs: [19, 1, -1, 3_600_001, 100.5, NaN, Infinity, '1000', null, true, {}],
  stallOutput: ['', 'a\0b', 1, true, null, [], process.stderr],
};

for (const [option, values] of Object.entries(wrong)) {
  test(`a wrong ${option} is an error that names option, value and what is allowed`, () => {
    for (const value of values) {
      assert.throws(
        () => validateOptions({ [option]: value }),
        (error) => {
          assert.equal(error.code, 'ERR_PRONGHORN_INVALID_OPTION');
          assert.equal(error.option, option);
          assert.ok(Object.is(error.value, value));
          assert.equal(error.allowed, OPTIONS[option].allowed);
          assert.ok(error.message.startsWith(`${option} must be ${error.allowed}; it is `), error.message);
          return true;
        },
      );
    }
  });
}

test('an unknown option is an error that names the nearest known one', () => {
  assert.throws(() => validateOptions({ intervalMicro: 5_000 }), /unknown option intervalMicro; did you mean intervalMicros\?/);
  assert.throws(() => validateOptions({ NATIVEFRAMES: 'all' }), /did you mean nativeFrames\?/);
  assert.throws(() => validateOptions({ colour: 'red' }), /known options: intervalMicros, maxDepth, nativeFrames, threads, afterFork/);
  assert.throws(() => validateOptions({ toString: 1 }), /unknown option toString/);
  assert.throws(() => validateOptions({ ['x'.repeat(1e6)]: 1 }), { code: 'ERR_PRONGHORN_INVALID_OPTION' });
});

test('options that are no object are an error', () => {
  for (const options of [null, 1, 'fast', [], true]) {
    assert.throws(() => validateOptions(options), { code: 'ERR_PRONGHORN_INVALID_OPTION', option: 'options' });
  }
});

test('the environment sets the options', () => {
  const { outputDirectory, options } = readEnvironment({
    PRONGHORN_OUTPUT_DIR: '/profiles',
    PRONGHORN_INTERVAL_MICROS: ' 5000 ',
    PRONGHORN_MAX_DEPTH: '64',
    PRONGHORN_NATIVE_FRAMES: 'leaf',
    PRONGHORN_THREADS: 'main',
    PRONGHORN_AFTER_FORK: 'stop',
    PRONGHORN_SOURCE_MAPS: ' false ',
    PRONGHORN_STALL_THRESHOLD_MS: '1000',
    PRONGHORN_STALL_OUTPUT: '/var/log/stalls',
    PATH: '/bin',
  });
  assert.equal(outputDirectory, '/profiles');
  assert.deepEqual(options, { intervalMicros: 5_000, maxDepth: 64, nativeFrames: 'leaf', threads: 'main', afterFork: 'stop', sourceMaps: false, stallThresholdMs: 1_000, stallOutput: '/var/log/stalls' });
});

test('empty variables count as not set', () => {
  const { outputDirectory, options } = readEnvironment({ PRONGHORN_OUTPUT_DIR: '', PRONGHORN_MAX_DEPTH: '' });
  assert.equal(outputDirectory, process.cwd());
  assert.deepEqual(options, {});
});

test('a bad variable is an error that names the variable', () => {
  for (const text of ['fast', '1e4', '0x2710', '-5', '10.5', '999', '1000001', '99999999999999999999', '1000 2000']) {
    assert.throws(() => readEnvironment({ PRONGHORN_INTERVAL_MICROS: text }), {
      code: 'ERR_PRONGHORN_INVALID_OPTION',
      option: 'PRONGHORN_INTERVAL_MICROS',
      value: text,
    });
  }
});

test('a variable one slip away from ours is an error, a foreign one with our prefix is not', () => {
  assert.throws(() => readEnvironment({ PRONGHORN_INTERVAL_MICRO: '5000' }), /did you mean PRONGHORN_INTERVAL_MICROS\?/);
  readEnvironment({ PRONGHORN_SERVICE_HOST: '10.0.0.1', PRONGHORN_PORT_8080_TCP: 'tcp://10.0.0.1:8080', PRONGHORN_TEST_LONG: '1' });
});

test('text that is no number never becomes one', () => {
  assert.throws(() => parseOption('maxDepth', '', '--max-depth'), { option: '--max-depth' });
});
