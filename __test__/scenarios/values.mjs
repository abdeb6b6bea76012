// A mix of computing, native work, blocking and waiting, with the thread's own clocks read at both ends.
import { readdirSync } from 'node:fs';
import { start } from 'pronghorn';
import { burn, fixture, keep, monotonic, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const profiler = await start(startOptions());
const before = { cpu: fixture.threadCpuNanos(), wall: monotonic() };
for (let round = 0; round < settings.rounds; round++) {
  burn(40);
  fixture.burn(15);
  fixture.churn(10);
  for (let index = 0; index < 20; index++) readdirSync('/proc/self/task');
  fixture.blockingNanosleep(20);
  await rest(15);
}
const after = { cpu: fixture.threadCpuNanos(), wall: monotonic() };
const profile = await profiler.stop();
report({ cpu: after.cpu - before.cpu, wall: after.wall - before.wall, threadId: fixture.threadId(), profile: keep(profile, 'profile') });
