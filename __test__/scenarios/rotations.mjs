// Several rotations under load, while the thread computes and while it waits.
import { start } from 'pronghorn';
import { burn, fixture, keep, monotonic, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const profiler = await start(startOptions());
const before = { cpu: fixture.threadCpuNanos(), wall: monotonic() };
const profiles = [];
for (let round = 0; round < settings.rounds; round++) {
  burn(30);
  const rotation = profiler.rotate();
  burn(20);
  await rest(10);
  profiles.push(keep(await rotation, `rotation-${round}`));
}
const after = { cpu: fixture.threadCpuNanos(), wall: monotonic() };
profiles.push(keep(await profiler.stop(), 'last'));
report({ cpu: after.cpu - before.cpu, wall: after.wall - before.wall, threadId: fixture.threadId(), profiles });
