// The shipped binary, forked at random instants of a process that is busy with everything: no hang, no crash, and right profiles in parent and child.
import { describe, it } from 'node:test';
import { forkAtInstants } from './helpers/instants.mjs';
import { long, majors } from './helpers/nodes.mjs';

const COUNT = long ? 1_000 : 200;

describe('forks at random instants', { concurrency: 2 }, () => {
  for (const major of majors) {
    it(`${COUNT} forks with collections, compilation, zlib, files, http and rotations in flight (Node ${major})`, async (context) => {
      const { stats, late, lateWithout } = await forkAtInstants(major, { count: COUNT, deadlineMs: long ? 600_000 : 120_000 });
      context.diagnostic(`handlers of ${stats.forks} forks: p50 ${stats.forkHandlersP50Nanos} ns, p99 ${stats.forkHandlersP99Nanos} ns, ${late} late; without handlers ${lateWithout} late`);
    });
  }
});
