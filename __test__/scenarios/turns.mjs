// What the meter of the benches says of turns that are known.
import { pausesOf, turnBefore } from '../../bench/programs/turns.mjs';
import { busy } from '../../bench/programs/process.mjs';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const work = () => undefined;

await turnBefore();
const idle = await pausesOf(() => wait(400));
const inTheMiddle = await pausesOf(async () => {
  await wait(200);
  busy(20, work);
  await wait(200);
});
const called = await pausesOf(() => {
  busy(20, work);
  return wait(1);
});
const collected = await pausesOf(() => wait(1).then(() => globalThis.gc()));
console.log(JSON.stringify({ idle, busy: inTheMiddle, called, collected }));
