// What a process has in memory of its own after ten rotations. The work between them is a fixed amount, and garbage is collected before memory is read, so that runs can be compared.
import { readFileSync } from 'node:fs';
import { importContender } from '../contenders/index.mjs';
import { caller, loadFunctions } from '../workloads/functions.mjs';
import { finish, settings, turn } from './process.mjs';

const ROTATIONS = 10;

/** Private_Dirty of all mappings, in KiB. */
const privateDirty = () => Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))[1]);

async function settled() {
  for (let time = 0; time < 3; time++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return privateDirty();
}

const call = caller(loadFunctions(settings.functions));
const work = () => {
  for (let round = 0; round < settings.rounds; round++) call();
};
work();
// Reading the file costs memory the first time.
privateDirty();
// Two runs of the same program differ by megabytes before any profiler is there (what parsing leaves in the allocator), so each begins with itself.
const before = await settled();
const profiler = await (await importContender(settings.contender)).load();
profiler.start(10_000);
const afterStart = await settled();
for (let count = 0; count < ROTATIONS; count++) {
  work();
  await turn();
  await profiler.rotate();
}
finish({ afterStart: afterStart - before, afterRotations: (await settled()) - before });
