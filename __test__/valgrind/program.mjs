// What valgrind runs: a start, work, rotations, labels, a stall, a second session and the end, in every part of the addon that a simple program reaches.
import { start, withLabels } from 'pronghorn';

let sink = 0;

function work(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end) for (let index = 0; index < 1000; index++) sink = (sink * 31 + index) | 0;
}

let samples = 0;
for (let session = 0; session < 2; session++) {
  const profiler = start({ intervalMicros: 10_000, stallThresholdMs: 500, stallOutput: '/dev/null' });
  for (let round = 0; round < 2; round++) {
    withLabels({ round: `${round}` }, () => work(1500));
    await profiler.rotate();
  }
  samples += Number(profiler.stats().samples);
  const profile = await profiler.stop();
  if (profile.data.length === 0) throw new Error('an empty profile');
}
console.log(`END ${samples} samples`);
process.exit();
