// What the tests of clusters look for in a result.
import assert from 'node:assert/strict';
import { describe as stacks, has, readProfile, total } from './pprof.mjs';

/** The part of one worker, or of the primary (0). */
export const partOf = (result, id) => result.processes.find((part) => (part.workerId ?? 0) === id);

/** The merged profile holds what the parts hold, to the last nanosecond, and each sample says whose it is. */
export function isTheSum(result) {
  const whole = readProfile(result.file);
  const parts = result.processes.filter((part) => part.file !== undefined).map((part) => Object.assign(part, { profile: readProfile(part.file) }));
  assert.ok(parts.length > 1);
  for (const value of ['count', 'cpu', 'wall']) {
    const sum = parts.reduce((so, { profile }) => so + total(profile.samples, value), 0);
    assert.equal(total(whole.samples, value), sum, value);
    for (const { processId, profile } of parts) {
      const own = whole.samples.filter((sample) => sample.labels['process id'] === BigInt(processId));
      assert.equal(total(own, value), total(profile.samples, value), `${value} of ${processId}`);
    }
  }
  for (const { workerId, processId, profile } of parts) {
    for (const { labels } of profile.samples) {
      assert.equal(labels['process id'], BigInt(processId));
      assert.equal(labels['cluster worker id'], workerId === undefined ? undefined : BigInt(workerId));
    }
  }
  assert.equal(whole.timeNanos, BigInt(result.startTimeNanos));
  return whole;
}

/** A part shows that a function ran. How long it did is not this test's affair. */
export function shows(part, name) {
  assert.ok(part?.file !== undefined, `${part?.workerId}: ${part?.message}`);
  const { samples } = readProfile(part.file);
  assert.ok(total(samples.filter(has(name)), 'cpu') > 5e6, `${name}:\n${stacks(samples, 'cpu')}`);
}
