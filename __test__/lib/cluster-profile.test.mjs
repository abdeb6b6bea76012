// One period of a cluster, put together of what its processes have delivered, good or bad.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeClusterProfile } from '../../build/lib/cluster/profile.js';
import { readProfile, total } from '../helpers/pprof.mjs';
import { buildProfile } from './build-profile.mjs';

const period = { periodType: ['cpu', 'nanoseconds'], period: 1_000 };
const of = (value, more = {}) => buildProfile({ ...period, stacks: [{ stack: ['work /a.js:1'], values: [1, value, value] }], ...more });
const heap = buildProfile({ types: [['space', 'bytes']], defaultType: undefined, stacks: [{ stack: ['work /a.js:1'], values: [1] }] });
const delivery = (data, startTimeNanos = 10n, endTimeNanos = 20n) => ({ data, startTimeNanos, endTimeNanos, stats: undefined });
const gathered = (workerId, ...deliveries) => ({
  process: { role: workerId === undefined ? 'primary' : 'worker', workerId, processId: 100 + (workerId ?? 0) },
  harvest: { deliveries, errors: [] },
});
const codes = ({ processes }) => processes.map((part) => part.error?.code);

test('a delivery that measures other things, or cannot be read, costs its own process only', async () => {
  const all = [
    gathered(undefined, delivery(of(1))),
    gathered(1, delivery(heap)),
    gathered(2, delivery(of(10))),
    gathered(3, delivery(Buffer.from('no profile'))),
    gathered(4, delivery(of(100), 5n, 20n), delivery(heap, 20n, 30n), delivery(of(1_000), 30n, 40n)),
    gathered(5, delivery(of(7, { periodType: ['wall', 'nanoseconds'] }))),
  ];
  const result = await composeClusterProfile(all);
  const [incompatible, invalid] = ['ERR_PRONGHORN_INCOMPATIBLE_PROFILES', 'ERR_PRONGHORN_INVALID_PROFILE'];
  assert.deepEqual(codes(result), [undefined, incompatible, undefined, invalid, incompatible, incompatible]);
  assert.match(result.processes[1].error.message, /cluster worker 1 \(process 101\) cannot be merged with the primary \(process 100\): sample types must be the same/);
  assert.equal(total(readProfile(result.data).samples, 'cpu'), 1_111);
  assert.deepEqual(result.processes.map((part) => part.profile && total(readProfile(part.profile.data).samples, 'cpu')), [1, undefined, 10, undefined, 1_100, undefined]);
  assert.deepEqual([result.startTimeNanos, result.endTimeNanos], [5n, 40n]);
});

test('the first that is good decides what the others have to be like', async () => {
  const result = await composeClusterProfile([gathered(undefined, delivery(Buffer.from('bad'))), gathered(1, delivery(heap)), gathered(2, delivery(of(1)))]);
  assert.deepEqual(codes(result), ['ERR_PRONGHORN_INVALID_PROFILE', undefined, 'ERR_PRONGHORN_INCOMPATIBLE_PROFILES']);
});

test('with nothing at all there is no profile but an error', async () => {
  await assert.rejects(composeClusterProfile([gathered(undefined, delivery(Buffer.from('bad'))), gathered(1)]), { code: 'ERR_PRONGHORN_INVALID_PROFILE' });
});

test('the event loop gets its turn between two deliveries', async () => {
  let turns = 0;
  let running = true;
  const turn = () => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const count = 20;
  await composeClusterProfile(Array.from({ length: count }, (_, id) => gathered(id + 1, delivery(of(1)))));
  running = false;
  assert.ok(turns >= 2 * count, `${turns} turns for ${count} parts that are checked and merged`);
});
