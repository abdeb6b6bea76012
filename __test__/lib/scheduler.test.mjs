// The scheduler in a time that stands still until the test moves it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scheduler } from '../../build/lib/scheduler.js';
import { fakeTime, settle } from './fake-time.mjs';

const restart = { verdict: { restart: true } };
const stay = { verdict: { restart: false } };

/** A scheduler of a profiler that needs `tookMs` for a rotation. */
function setup({ periodMs = 60_000, chance = 0, tookMs = 0 } = {}) {
  const time = fakeTime();
  time.chance = chance;
  const log = [];
  const here = [];
  const world = { failed: false, collectedSince: 0, failRotation: false, throwing: undefined, tookMs, joined: true };
  let sequence = 0;
  let rotating = 0;
  const what = {
    collectedMs: () => time.now() - world.collectedSince,
    hasFailed: () => world.failed,
    rotate(hand) {
      if (world.throwing === 'rotate') throw new Error('cannot rotate');
      rotating += 1;
      assert.equal(rotating, 1, 'two rotations at once');
      world.collectedSince = time.now();
      log.push(`${time.now()} rotate`);
      const profile = { sequence: sequence++, data: Buffer.alloc(1) };
      return new Promise((resolve, reject) => {
        const end = () => {
          rotating -= 1;
          if (world.failRotation) reject(new Error('lost'));
          else resolve(world.taken || hand(profile));
        };
        if (world.tookMs > 0) time.after(world.tookMs, end);
        else end();
      });
    },
    deliverHere: (profile) => here.push(`${time.now()} ${profile.sequence}`),
    deliver(profile) {
      if (world.throwing === 'deliver') throw new Error('cannot deliver');
      log.push(`${time.now()} deliver ${profile.sequence}`);
    },
    fail: (error) => log.push(`fail ${error.message}`),
  };
  const scheduler = new Scheduler({ periodMs, what, time, join: () => () => (world.joined = false) });
  return { time, log, here, world, scheduler };
}

test('the first rotation comes after one period, the others one period after each other', async () => {
  const { time, log, scheduler } = setup();
  scheduler.begin();
  await time.pass(59_999);
  assert.deepEqual(log, []);
  await time.pass(120_001);
  assert.deepEqual(log, ['60000 rotate', '60000 deliver 0', '120000 rotate', '120000 deliver 1', '180000 rotate', '180000 deliver 2']);
});

test('the next wait is the period less what the rotation and the jitter took, so that periods do not drift', async () => {
  const { time, log, scheduler } = setup({ tookMs: 700, chance: 0.5 });
  scheduler.begin();
  await time.pass(185_000);
  assert.deepEqual(log, ['60000 rotate', '62200 deliver 0', '120000 rotate', '122200 deliver 1', '180000 rotate', '182200 deliver 2']);
});

test('a jitter is at most three seconds, and at most a period', async () => {
  for (const [periodMs, most] of [[60_000, 3_000], [3_600_000, 3_000], [1_000, 1_000]]) {
    const { time, log, scheduler } = setup({ periodMs, chance: 0.999999 });
    scheduler.begin();
    await time.pass(periodMs + 3_001);
    const [rotated, delivered] = log.map((line) => Number.parseFloat(line));
    assert.ok(delivered - rotated > most * 0.99 && delivered - rotated <= most, log.join());
  }
});

test('a rotation that takes longer than a period is not overlapped, and the next follows at once', async () => {
  const { time, log, scheduler } = setup({ tookMs: 150_000 });
  scheduler.begin();
  await time.pass(365_000);
  assert.deepEqual(log, ['60000 rotate', '210000 deliver 0', '210000 rotate', '360000 deliver 1', '360000 rotate']);
});

test('after a stall of minutes there is one rotation, with all of it, and then one each period', async () => {
  const { time, log, scheduler } = setup();
  scheduler.begin();
  await time.pass(30_000);
  await time.stall(600_000);
  assert.deepEqual(log, ['630000 rotate', '630000 deliver 0']);
  await time.pass(60_000);
  assert.deepEqual(log.slice(2), ['690000 rotate', '690000 deliver 1']);
});

test('a stall while a profile waits to be delivered costs nothing but time', async () => {
  const { time, log, scheduler } = setup({ chance: 0.9 });
  scheduler.begin();
  await time.pass(61_000);
  await time.stall(600_000);
  assert.deepEqual(log, ['60000 rotate', '661000 deliver 0', '661000 rotate']);
});

test('what has been collected for less than a second is left for the next rotation', async () => {
  const { time, log, world, scheduler } = setup({ periodMs: 10_000 });
  scheduler.begin();
  await time.pass(9_500);
  // Somebody else has rotated.
  world.collectedSince = time.now();
  await time.pass(11_000);
  assert.deepEqual(log, ['20000 rotate', '20000 deliver 0']);
});

test('a rotation that fails, or finds another one under way, costs its period only', async () => {
  const { time, log, world, scheduler } = setup();
  scheduler.begin();
  world.failRotation = true;
  await time.pass(60_000);
  world.failRotation = false;
  await time.pass(60_000);
  assert.deepEqual(log, ['60000 rotate', '120000 rotate', '120000 deliver 0'].map((line) => line.replace('deliver 0', 'deliver 1')));
});

test('stop() delivers what waits at once, without a jitter, and leaves no timer', async () => {
  const { time, log, world, scheduler } = setup({ chance: 0.5 });
  scheduler.begin();
  await time.pass(61_000);
  scheduler.stop();
  scheduler.stop();
  assert.deepEqual(log, ['60000 rotate', '61000 deliver 0']);
  assert.deepEqual([time.waits(), world.joined], [[], false]);
  await time.pass(200_000);
  assert.equal(log.length, 2);
});

test('the jitter is for servers: others have a profile at once, and each has it once', async () => {
  const { time, log, here, scheduler } = setup({ chance: 0.5, tookMs: 700 });
  scheduler.begin();
  await time.pass(61_000);
  assert.deepEqual([here, log], [['60700 0'], ['60000 rotate']]);
  await time.pass(60_000);
  scheduler.stop();
  assert.deepEqual(here, ['60700 0', '120700 1']);
});

test('flush() delivers what waits, once, and the next rotation comes when it would have come', async () => {
  const { time, log, scheduler } = setup({ chance: 0.9 });
  scheduler.flush();
  scheduler.begin();
  scheduler.flush();
  await time.pass(61_000);
  scheduler.flush();
  scheduler.flush();
  assert.deepEqual(log, ['60000 rotate', '61000 deliver 0']);
  await time.pass(59_000);
  assert.deepEqual(log.slice(2), ['120000 rotate']);
});

test('a profile that was delivered otherwise, at the end of a process, is not delivered again', async () => {
  const { time, log, here, world, scheduler } = setup();
  world.taken = true;
  scheduler.begin();
  await time.pass(130_000);
  assert.deepEqual([here, log], [[], ['60000 rotate', '120000 rotate']]);
});

test('stop() during a rotation: its profile is delivered when it comes, at once', async () => {
  const { time, log, scheduler } = setup({ chance: 0.5, tookMs: 2_000 });
  scheduler.begin();
  await time.pass(61_000);
  scheduler.stop();
  await time.pass(200_000);
  assert.deepEqual(log, ['60000 rotate', '62000 deliver 0']);
});

test('after a failure of the collector nothing is rotated, and a child begins anew all the same', async () => {
  const { time, log, world, scheduler } = setup();
  scheduler.begin();
  world.failed = true;
  await time.pass(300_000);
  assert.deepEqual([log, time.waits(), world.joined], [[], [], true]);
  world.failed = false;
  scheduler.hooksOff();
  scheduler.resetAfterFork(restart);
  scheduler.started();
  await time.pass(60_000);
  assert.deepEqual(log, ['360000 rotate', '360000 deliver 0']);
});

test('a failure of the scheduler is told once, and ends it', async () => {
  for (const throwing of ['rotate', 'deliver']) {
    const { time, log, world, scheduler } = setup();
    world.throwing = throwing;
    scheduler.begin();
    await time.pass(300_000);
    assert.deepEqual(log.filter((line) => line.startsWith('fail')), [`fail cannot ${throwing}`]);
    assert.deepEqual([time.waits(), world.joined], [[], false]);
  }
});

for (const moment of ['a wait', 'a rotation', 'a jitter']) {
  test(`a fork during ${moment}: the child has a timer of its own, and delivers nothing of its parent’s`, async () => {
    const { time, log, world, scheduler } = setup({ chance: 0.5, tookMs: 2_000 });
    scheduler.begin();
    await time.pass({ 'a wait': 10_000, 'a rotation': 61_000, 'a jitter': 62_500 }[moment]);
    log.length = 0;
    // Before the reset: the time goes on, and the parent's timers come.
    time.own = false;
    await settle();
    scheduler.hooksOff();
    scheduler.hooksOff();
    scheduler.resetAfterFork(restart);
    time.own = true;
    world.collectedSince = time.now();
    scheduler.started();
    // One of the rotation that was under way may still come.
    const reset = time.now();
    assert.ok(time.waits().includes(60_000));
    await time.pass(59_999);
    if (moment !== 'a rotation') assert.deepEqual(log, []);
    else assert.ok(log.every((line) => !line.includes('rotate')), 'the promise of a parent rejects in the child; here it is delivered, as no chain is there');
    log.length = 0;
    await time.pass(1);
    assert.deepEqual(log, [`${reset + 60_000} rotate`]);
  });
}

test('in a child that stays off nothing is left', async () => {
  const { time, log, world, scheduler } = setup();
  scheduler.begin();
  await time.pass(10_000);
  scheduler.hooksOff();
  scheduler.resetAfterFork(stay);
  await time.pass(300_000);
  assert.deepEqual([log, time.waits(), world.joined], [[], [], false]);
});

test('a timer of the parent’s that comes in a child before its reset does nothing', async () => {
  const { time, log, scheduler } = setup({ tookMs: 2_000 });
  scheduler.begin();
  await time.pass(60_500);
  time.own = false;
  await time.pass(100_000);
  assert.deepEqual(log, ['60000 rotate'], 'the end of the rotation is the parent’s');
});
