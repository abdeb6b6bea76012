// start, stop, two seconds of nothing, start: no delta may contain the gap.
import { start } from 'pronghorn';
import { burn, fixture, keep, monotonic, report, rest, startOptions } from '../helpers/scenario.mjs';

const periods = [];
for (const name of ['first', 'second']) {
  const begin = monotonic();
  const profiler = await start(startOptions());
  burn(200);
  await rest(50);
  burn(50);
  const least = monotonic() - begin;
  const last = profiler.stop();
  // The processor may be somebody else's on the way: what passes until the sampling is off is of the period.
  const most = monotonic() - begin;
  periods.push({ least, most, ...keep(await last, name) });
  if (name === 'first') fixture.blockingNanosleep(2000);
}
report({ periods });
