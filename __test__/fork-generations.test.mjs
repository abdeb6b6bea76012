// Forks in a row and forks inside forks: each process profiles itself, and none costs more than the one before.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { long, majors } from './helpers/nodes.mjs';

const SIBLINGS = long ? 400 : 100;
const NESTED = 50;
const DEEP = long ? 32 : 16;
/** As many as scenarios/fork-generations.mjs makes: with 150 bytes for each, a set of them is several times what a generation may cost. */
const FUNCTIONS = 2_000;
const MOST_BYTES = 64 * 1024;

const bytes = ({ liveBytes, mappedBytes }) => liveBytes + mappedBytes;
const run = (scenario, major, count) => runFork('generations', scenario, major, { count }, { failpoints: true, deadlineMs: long ? 240_000 : 90_000 });

/** One ticker, one slot, one signal, and the threads and descriptors of every other. */
function checkAlike(counts, { threads }) {
  for (const count of counts) {
    assert.equal(count.threads, threads, 'threads');
    assert.equal(count.descriptors, counts[0].descriptors, 'file descriptors');
    assert.equal(count.signal, counts[0].signal);
    assert.deepEqual(count.signals, [count.signal], 'signals with our handler');
    assert.equal(count.handlerInstalled, true);
    assert.equal(count.tickers, 1);
    assert.deepEqual([count.armed, count.slots], [1, 1]);
    assert.equal(count.mappings, counts[0].mappings, 'mappings');
  }
}

for (const major of majors) {
  describe(`generations on Node ${major}`, { concurrency: 2 }, () => {
    it(`${SIBLINGS} forks in a row cost the parent nothing, and each child the same (Node ${major})`, async (context) => {
      const { report } = await run('siblings', major, SIBLINGS);
      const { children, parent } = report;
      assert.equal(children.length, SIBLINGS);
      assert.equal(new Set(children.map(({ pid }) => pid)).size, SIBLINGS);
      for (const { generation, forks, names, ...rest } of children) {
        assert.deepEqual({ generation, forks, names }, { generation: 1, forks: 0, names: ['childOnly'] }, JSON.stringify(rest));
      }
      checkAlike(
        children.map((child) => child.counted),
        // Its own, the ticker, and the one for profiles.
        { threads: 3 },
      );
      checkAlike(parent, { threads: parent[0].threads });
      const growth = bytes(parent.at(-1)) - bytes(parent[0]);
      const between = children.map((child) => bytes(child.counted)).sort((a, b) => a - b);
      context.diagnostic(`the parent grew by ${growth} bytes in all; children have ${between[0]} to ${between.at(-1)} bytes`);
      assert.ok(growth / SIBLINGS < MOST_BYTES / 8, `the parent grew by ${growth} bytes`);
      assert.ok(between.at(-1) - between[0] < 4 * MOST_BYTES, `children have ${between[0]} to ${between.at(-1)} bytes`);
      assert.equal(report.forks, report.tries);
      assert.ok(report.lateForks <= 0.1 * SIBLINGS, `${report.lateForks} late forks`);
      assert.deepEqual(report.names, ['parentOnly']);
    });

    it(`${NESTED} forks, each in the child of the one before (Node ${major})`, async (context) => {
      const { report } = await run('nested', major, NESTED);
      const { generations } = report;
      assert.deepEqual(
        generations.map(({ generation }) => generation),
        Array.from({ length: NESTED }, (_, index) => index + 1),
      );
      for (const { pid, names, sequence, processId, forks } of generations) {
        assert.deepEqual({ names, sequence, processId, forks }, { names: ['childOnly'], sequence: 0, processId: pid, forks: 0 });
      }
      const counts = generations.map((generation) => generation.counted);
      checkAlike(counts, { threads: 3 });
      const each = (bytes(counts.at(-1)) - bytes(counts[0])) / (NESTED - 1);
      context.diagnostic(`${Math.round(each)} bytes a generation`);
      assert.ok(each < MOST_BYTES, `${each} bytes a generation`);
      // Forking on does not cost the one who forks.
      for (const { counted, after } of generations) assert.ok(bytes(after) - bytes(counted) < 4 * MOST_BYTES);
      assert.deepEqual(report.names, ['parentOnly']);
    });

    it(`${DEEP} forks, each in the child of the one before, in a program of ${FUNCTIONS} sampled functions (Node ${major})`, async (context) => {
      const { report } = await run('functions', major, DEEP);
      const { generations, inParent } = report;
      assert.equal(inParent, FUNCTIONS);
      assert.deepEqual(generations.map(({ functions }) => functions), Array(DEEP).fill(FUNCTIONS));
      const all = generations.map(({ counted }) => bytes(counted));
      const each = (all.at(-1) - all[0]) / (DEEP - 1);
      // Tables that are doubled when a generation happens to see more places of code than any before make single steps of up to 240 KB.
      context.diagnostic(`${Math.round(each)} bytes a generation`);
      assert.ok(each < MOST_BYTES, `${each} bytes a generation`);
    });
  });
}
