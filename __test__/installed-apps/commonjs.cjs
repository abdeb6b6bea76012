// From CommonJS, by require().
const { start } = require('pronghorn');

function burn(ms) {
  const before = process.cpuUsage();
  let sum = 0;
  while (process.cpuUsage(before).user < ms * 1_000) for (let index = 0; index < 50_000; index++) sum += Math.sqrt(index);
  return sum;
}

const profiler = start({ intervalMicros: 1_000 });
burn(200);
profiler.rotate().then(async (first) => {
  await first.save(process.argv[2]);
  burn(20);
  await profiler.stop();
});
