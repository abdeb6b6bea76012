// Labels of the application on samples, on every Node major and with both ways of keeping asynchronous contexts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { join } from 'node:path';
import { long, majors } from './helpers/nodes.mjs';
import { describe as listing, has, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

/** Where contexts are kept, by major and flag. */
const WAYS = [
  { major: 20, flags: [], kind: 'word' },
  { major: 22, flags: [], kind: 'word' },
  { major: 22, flags: ['--experimental-async-context-frame'], kind: 'store' },
  { major: 24, flags: [], kind: 'store' },
  { major: 24, flags: ['--no-async-context-frame'], kind: 'word' },
  { major: 26, flags: [], kind: 'store' },
].filter(({ major }) => majors.includes(major));

/** What a route may have of the others' time. */
const MOST = 1.05;

const PROFILERS = new Set(['process id', 'thread id', 'thread name']);

/** The application's labels of a sample. */
const labelsOf = (sample) => Object.fromEntries(Object.entries(sample.labels).filter(([key]) => !PROFILERS.has(key)));

const millis = (nanos) => `${(nanos / 1e6).toFixed(1)} ms`;

async function run(does, { major, flags }, settings = {}, more = []) {
  const options = { intervalMicros: 1_000, ...settings.options };
  const result = await runScenario('labels', major, { does, ...settings, options }, { flags: [...flags, ...more], deadlineMs: 120_000 });
  return { ...result, samples: readProfile(result.file).samples };
}

/** The samples in functions called in_X, by X. Each has the label of its function, and none besides has one. */
function byPart(samples, expected = (part) => (part === 'nobodys' ? {} : { part })) {
  const parts = new Map();
  for (const sample of samples) {
    const part = sample.stack.find(({ name }) => name.startsWith('in_'))?.name.slice(3);
    if (part === undefined) continue;
    // What gave up says nothing of labels either.
    if (has('(walk refused)')(sample)) continue;
    assert.deepEqual(labelsOf(sample), expected(part), `labels of a sample in ${part}:\n${listing([sample])}`);
    parts.set(part, [...(parts.get(part) ?? []), sample]);
  }
  return parts;
}

/** Each of the parts was sampled. */
function allSampled(samples, parts) {
  const found = byPart(samples);
  for (const part of parts) assert.ok(total(found.get(part) ?? [], 'count') > 0, `no sample in ${part}:\n${listing(samples)}`);
}

/**
 * Which share of its own CPU time each route got: the median of three runs. A sample counts the time since the one before for what runs when it is taken, so this is
 * a statistic; where the ticker has to wait for a processor, of few samples. The best of several would hide what is wrong now and then.
 */
async function shares(way, settings) {
  const runs = [];
  for (let left = 3; left > 0; left--) {
    const { samples, cpu, kind, stats } = await run('truth', way, settings);
    assert.equal(kind, way.kind);
    byPart(samples, (part) => (part === 'nobodys' ? {} : { part, route: `/${part}` }));
    runs.push({ found: ['users', 'orders'].map((part, index) => total(samples.filter(({ labels }) => labels.route === `/${part}`), 'cpu') / cpu[index]), cpu, stats });
  }
  const median = (index) => runs.map(({ found }) => found[index]).sort((a, b) => a - b)[1];
  return { found: [median(0), median(1)], cpu: runs[1].cpu, stats: runs.at(-1).stats, lost: runs.reduce((sum, { stats }) => sum + stats.lostLabels, 0) };
}

for (const way of WAYS) {
  const title = `Node ${[way.major, ...way.flags].join(' ')}`;
  describe(`labels on ${title}`, { concurrency: 1 }, () => {
    it(`two interleaved requests each get their own CPU time (${title})`, async (context) => {
      const { found, cpu, stats, lost } = await shares(way, { rounds: long ? 60 : 12, ms: 50 });
      for (const share of found) assert.ok(share >= 0.97 && share <= MOST, `${found.map((each) => (100 * each).toFixed(2))}% of ${cpu.map(millis)}`);
      assert.equal(lost, 0);
      context.diagnostic(`${found.map((share) => `${(100 * share).toFixed(2)}%`).join(' and ')}; handler p50 ${stats.handlerP50Nanos} ns`);
    });

    it(`labels follow every kind of asynchronous work (${title})`, async () => {
      const { samples, parts } = await run('primitives', way);
      allSampled(samples, parts);
      for (const sample of samples.filter(has('plain'))) assert.deepEqual(labelsOf(sample), {});
    });

    it(`requests of a server (${title})`, async () => {
      const { samples, parts } = await run('http', way);
      allSampled(samples, parts);
    });

    it(`scopes within scopes, and what is thrown through them (${title})`, async () => {
      const { samples } = await run('nesting', way);
      const expected = { outer: { part: 'outer', route: '/r' }, inner: { part: 'inner', route: '/r', more: 'yes' }, after: { part: 'after' }, nobodys: {} };
      const found = byPart(samples, (part) => expected[part]);
      assert.deepEqual([...found.keys()].sort(), Object.keys(expected).sort());
    });

    it(`a profile that begins inside a scope has its labels (${title})`, async () => {
      const { samples, parts, out } = await run('late', way);
      allSampled(samples, parts);
      allSampled(readProfile(join(out, 'first.pb.gz')).samples, parts);
    });

    for (const flags of [[], ['--stress-compaction'], ['--gc-interval=500'], ['--expose-gc', '--stress-scavenge=50', '--random-seed=7']]) {
      it(`objects that move: ${flags.join(' ') || 'allocations'} (${title})`, async () => {
        const { samples, cpu, stats } = await run('collections', way, { rounds: flags.includes('--gc-interval=500') ? 90 : 30, ms: 12 }, flags);
        const found = byPart(samples);
        const inParts = [...found.values()].flat();
        assert.ok(total(inParts, 'cpu') > 0.5 * (cpu[0] + cpu[1]), listing(samples));
        assert.ok(stats.gcSamples > 0 || flags.length === 0, 'no sample during a collection');
        assert.equal(stats.lostLabels, 0);
      });
    }

    it(`workers that label their own work (${title})`, async () => {
      const { samples, parts, cpu } = await run('worker', way);
      allSampled(samples, parts);
      for (const [index, part] of ['one', 'two'].entries()) {
        const labelled = samples.filter(({ labels }) => labels.part === part);
        assert.ok(labelled.every(({ threadName }) => threadName === part));
        const share = total(labelled, 'cpu') / cpu[index];
        assert.ok(share >= 0.9, `${part}: ${share} of ${millis(cpu[index])}`);
      }
    });

    it(`workers that are ended in the middle of labelled work (${title})`, async () => {
      const { samples, parts } = await run('terminated', way, { rounds: long ? 100 : 10 });
      allSampled(samples, parts);
    });

    it(`a label for each of 100,000 requests (${title})`, async (context) => {
      const { samples, stats, grown } = await run('manySets', way, { ids: 100_000 }, ['--expose-gc']);
      const found = byPart(samples);
      assert.ok(found.has('service') && found.has('again'), 'the scope around them is not forgotten');
      // So many new sets in the tenth of a second before a sample is resolved may push out the sample's own.
      assert.ok(stats.lostLabels <= 3, `${stats.lostLabels} lost`);
      assert.ok(stats.forgottenLabelSets >= 100_000 - 16_384, `${stats.forgottenLabelSets} forgotten`);
      assert.ok(grown < 6e6, `${grown} bytes more after 80,000 more`);
      context.diagnostic(`${grown} bytes grown, ${stats.forgottenLabelSets} sets forgotten`);
    });

    it(`what labels may be, and what comes back (${title})`, async () => {
      await run('rules', way);
    });
  });
}
