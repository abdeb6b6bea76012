// Source maps across a fork: the loader is held, or has done its work; parent and child both show the original.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inChild, native, pronghorn, scenarios, settings } from '../helpers/forking.mjs';
import { untilHeld } from '../helpers/held.mjs';
import { readProfile } from '../helpers/pprof.mjs';

const { start, resetAfterFork } = pronghorn;
const api = native();

/** A script whose lines are the same in the original. */
async function script(name) {
  const path = join(settings.out, `${name}.mjs`);
  const map = { version: 3, sources: [`${name}.ts`], names: [], mappings: `AAAA${';AACA'.repeat(9)}` };
  writeFileSync(`${path}.map`, JSON.stringify(map));
  writeFileSync(path, `export function hot(ms) {\n  const end = process.cpuUsage().user / 1000 + ms;\n  let value = 1;\n  while (process.cpuUsage().user / 1000 < end) for (let index = 0; index < 50000; index++) value = (Math.imul(value, 69069) + index) | 0;\n  return value;\n}\n//# sourceMappingURL=${name}.mjs.map\n`);
  return (await import(pathToFileURL(path))).hot;
}

/** The files in which hot() was seen. */
const filesOf = (profile) => [...new Set(readProfile(profile.data).samples.flatMap((sample) => sample.stack).filter((frame) => frame.name === 'hot').map((frame) => frame.file.split('/').at(-1)))].sort();

const child = (hots) =>
  inChild(async () => {
    resetAfterFork();
    const profiler = start({ intervalMicros: 1_000 });
    for (const hot of hots) hot(100);
    const began = performance.now();
    const profile = await profiler.rotate();
    const { stats } = await profiler.stop();
    return { files: filesOf(profile), took: performance.now() - began, loaded: stats.sourceMapsLoaded, late: stats.sourceMapsLate };
  });

await scenarios({
  // The loader has the queue, and is held; it does not exist in the child.
  async held() {
    const [one, two] = [await script('one'), await script('two')];
    const profiler = start({ intervalMicros: 1_000 });
    one(100);
    two(100);
    api.failpointHold('loading-map');
    const rotation = profiler.rotate();
    untilHeld('loading-map');
    const seen = await child([one, two]);
    api.failpointRelease('loading-map');
    const parent = filesOf(await rotation);
    await profiler.stop();
    return { child: seen, parent };
  },
  // The maps are known: the child has them already.
  async known() {
    const one = await script('one');
    const profiler = start({ intervalMicros: 1_000 });
    one(100);
    const parent = filesOf(await profiler.rotate());
    const seen = await child([one]);
    await profiler.stop();
    return { child: seen, parent };
  },
});
