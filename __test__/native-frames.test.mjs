// nativeFrames: 'none', 'leaf' and 'all' on a program that calls into an addon, and 'all' as the default.
import { describe, it } from 'node:test';
import { majors } from './helpers/nodes.mjs';
import { programs } from './helpers/programs.mjs';
import { checkTruth } from './helpers/truths.mjs';

for (const major of majors) {
  describe(`native frames on Node ${major}`, { concurrency: 2 }, () => {
    for (const nativeFrames of ['none', 'leaf', 'all']) {
      it(`${nativeFrames} (Node ${major})`, () => checkTruth(programs.get('addon'), major, { options: { nativeFrames }, ms: 700 }));
    }
  });
}
