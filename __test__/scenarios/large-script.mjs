// Loads a script of 10 MB and computes in its last function. No collection runs before it is profiled: one would have all lines counted at once.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { start } from 'pronghorn';
import { keep, report, settings, startOptions } from '../helpers/scenario.mjs';

const lines = settings.lines;
const comment = settings.wide ? '→ a character that takes two bytes' : 'a comment, since most of such a bundle is text';
const filler = Array.from({ length: lines }, (_, index) => `function unused${index}() { return ${index}; } // ${comment}\n`);
const hot = 'module.exports = function hot(ms, sum = 0) {\n  for (const end = Date.now() + ms; Date.now() < end; ) for (let n = 0; n < 1e5; n++) sum = (sum * 31 + n) | 0;\n  return sum;\n};\n';
const path = join(settings.out, 'large.cjs');
writeFileSync(path, filler.join('') + hot);
const work = createRequire(import.meta.url)(path);
globalThis.gc();
const profiler = start(startOptions());
for (let turn = 0; turn < 10; turn++) {
  work(settings.ms / 10);
  await new Promise((resolve) => setImmediate(resolve));
}
const early = profiler.stats();
report({ path, bytes: filler.join('').length, early, profile: keep(await profiler.stop(), 'profile') });
