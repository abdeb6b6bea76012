// The same programs with each of V8's compilers forced: functions, start lines and call lines must not depend on the tier.
import { describe, it } from 'node:test';
import { long, majors } from './helpers/nodes.mjs';
import { programs } from './helpers/programs.mjs';
import { checkTruth } from './helpers/truths.mjs';

const tiers = {
  'interpreter and baseline': ['--no-opt', '--no-maglev'],
  'baseline at once': ['--always-sparkplug', '--no-opt', '--no-maglev'],
  'no maglev': ['--no-maglev'],
  maglev: ['--maglev', '--no-turbofan'],
  'maglev and turbofan': ['--maglev'],
  // Longer runs only: what few people run, but V8 allows.
  ...(long ? { 'interpreter alone': ['--no-opt', '--no-maglev', '--no-sparkplug'], jitless: ['--jitless'] } : {}),
};

for (const major of majors) {
  describe(`compilers on Node ${major}`, { concurrency: 2 }, () => {
    for (const [tier, flags] of Object.entries(tiers)) {
      for (const [name, truth] of programs) {
        if (!truth.tiers) continue;
        it(`${name}, ${tier} (Node ${major})`, () =>
          checkTruth(truth, major, { flags, ms: long ? 1500 : 350, hook: { intervalNanos: 400_000 }, brief: !long }));
      }
    }
  });
}
