// What people and other processes write: command lines, environment variables, lengths of time, messages of a cluster's worker. Whatever it is, there is a
// result, or an error that is meant for whoever wrote it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCommandLine, UsageError } from '../../build/lib/command/command-line.js';
import { formatDuration, parseDuration } from '../../build/lib/command/duration.js';
import { encodeFrame, FrameReader } from '../../build/lib/cluster/wire.js';
import { KNOWN, readEnvironment } from '../../build/lib/environment.js';
import { PronghornError } from '../../build/lib/errors.js';
import { otelResource } from '../../build/lib/export/otel.js';
import { long } from '../helpers/nodes.mjs';
import { damageBytes, Random } from './mutations.mjs';

const ROUNDS = long ? 50_000 : 1_000;

const WORDS = ['--', '-', '=', ',', ' ', '0', '1', '-1', '1e9', '99999999999', '0x10', 'ms', 's', 'h', 'true', 'false', '%', '%zz', '%00', '\u0000', '\ud800', '🦌', 'http://', 'http://[::1', 'https://u:p@h/', 'cpu', 'wall',
  'stderr', '/tmp/x', '.', '..', '__proto__', 'constructor', 'toString', 'a=b', '=', 'x'.repeat(300), 'all', 'none', 'pprof', 'NaN', 'Infinity'];
const COMMANDS = ['run', 'top', 'flame', 'open', 'merge', 'help', '--version', '-h', '--count', '--by', '--value', '--sort', '--output', '-o', '--duration', '--interval', '--diff', '--port', '--', 'node', 'a.pb.gz', '--no-open', '--stall-output'];

const text = (random) => Array.from({ length: random.below(4) }, () => random.pick(WORDS)).join('');

/** Whether an error is one of those; others are defects, and go on. */
function only(kinds, work) {
  try {
    return work();
  } catch (error) {
    if (!kinds.some((kind) => error instanceof kind)) throw error;
    return undefined;
  }
}

test('command lines', () => {
  let taken = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(round);
    const args = Array.from({ length: random.below(6) }, () => random.pick([random.pick(COMMANDS), `${random.pick(COMMANDS)}=${text(random)}`, text(random)]));
    args.unshift(random.pick(COMMANDS));
    if (only([UsageError], () => readCommandLine(args)) !== undefined) taken++;
  }
  assert.ok(taken > ROUNDS / 100 && taken < ROUNDS, `${taken} of ${ROUNDS} were taken`);
});

test('environment variables', () => {
  let taken = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(round);
    const names = [...KNOWN, 'PRONGHORN_INTERVAL', 'PRONGHORN_', 'OTEL_RESOURCE_ATTRIBUTES', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_SERVICE_NAME'];
    const env = Object.fromEntries(Array.from({ length: 1 + random.below(3) }, () => [random.pick(names), text(random)]));
    if (only([PronghornError], () => readEnvironment(env)) !== undefined) taken++;
    const { attributes } = otelResource(env);
    assert.equal(Object.getPrototypeOf(attributes), Object.prototype);
  }
  assert.ok(taken > ROUNDS / 100 && taken < ROUNDS, `${taken} of ${ROUNDS} were taken`);
});

test('lengths of time', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const ms = parseDuration(text(new Random(round)));
    if (ms === undefined) continue;
    assert.ok(Number.isSafeInteger(ms) && ms >= 1 && ms <= 24 * 24 * 3_600_000, `${ms}`);
    assert.match(formatDuration(ms), /^\d/);
  }
});

test('messages of a cluster, damaged and in pieces', () => {
  let frames = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(round);
    const message = encodeFrame({ session: 'x', kind: text(random) }, Buffer.alloc(random.below(50), 1));
    const bytes = Buffer.concat([message, random.below(3) === 0 ? message : damageBytes(message, random)]);
    const reader = new FrameReader();
    // What is no message is told by an error of whatever kind: the connection ends by it.
    try {
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random.below(40);
        frames += reader.push(bytes.subarray(at, at + size)).length;
        at += size;
      }
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof TypeError) && !(error instanceof RangeError), error.stack);
    }
  }
  assert.ok(frames >= ROUNDS, `${frames} messages were read`);
});
