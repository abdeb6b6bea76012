// Frames of transpiled code show the original file, line and name; a map that cannot be used is told of once, and waited for by nobody.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { launch } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { describe as describeStacks, has, readProfile, scriptFrames, share } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';
import { HOT, STARTS, transpile } from './helpers/transpiled.mjs';

const { folder, original, programs } = transpile();

/** The innermost script frames of a profile, with their samples: "name file:line" to count. */
function leaves(samples) {
  const counts = new Map();
  for (const sample of samples) {
    const frame = scriptFrames(sample.stack).at(-1);
    if (frame === undefined) continue;
    const key = `${frame.name} ${frame.file}:${frame.line}`;
    counts.set(key, (counts.get(key) ?? 0) + sample.count);
  }
  return counts;
}

/** Each hot function is there by its name, in its file, nearly all of it on its line. */
function checkOriginals(file, what) {
  const { samples } = readProfile(file);
  const counts = leaves(samples);
  const shown = () => `${what}\n${describeStacks(samples)}\n${[...counts].map(([key, count]) => `${count} ${key}`).join('\n')}`;
  for (const [name, line] of Object.entries(HOT)) {
    let [all, right] = [0, 0];
    for (const [key, count] of counts) {
      if (!key.startsWith(`${name} `)) continue;
      all += count;
      if (key === `${name} ${original}:${line}`) right += count;
    }
    assert.ok(all >= 5, `${name} has ${all} samples in ${shown()}`);
    assert.ok(right >= 0.8 * all, `${right} of ${all} samples of ${name} are on line ${line} of the original in ${shown()}`);
    const frames = samples.flatMap((sample) => sample.stack).filter((frame) => frame.name === name && frame.file === original);
    assert.ok(frames.every((frame) => frame.startLine === STARTS[name]), `${name} begins on ${STARTS[name]}: ${shown()}`);
  }
  // Helpers that a bundler adds have no original; they run while the program is loaded.
  const isGenerated = (sample) => sample.stack.some((frame) => frame.file.startsWith(folder) && frame.file !== original && frame.name !== '(anonymous)');
  assert.ok(share(samples, 'count', isGenerated) < 0.05, shown());
}

const onlyOn = (name) => (sample) => sample.stack.some((frame) => frame.name === 'hot' && basename(frame.file) === name);

for (const major of majors) {
  describe(`source maps on Node ${major}`, () => {
    const ms = 700;
    for (const flags of [[], ['--enable-source-maps']]) {
      it(`compiled programs show their originals${flags.length > 0 ? ' under --enable-source-maps' : ''} (Node ${major})`, async () => {
        const { profiles } = await runScenario('source-maps', major, { programs, ms, options: { intervalMicros: 1_000 } }, { flags, deadlineMs: 120_000 });
        for (const [name, profile] of Object.entries(profiles)) {
          checkOriginals(profile.file, name);
          assert.deepEqual([profile.stats.sourceMapsFailed, profile.stats.sourceMapsLate], [0, 0], name);
        }
      });
    }

    it(`sourceMaps: false shows the generated code (Node ${major})`, async () => {
      const name = 'esbuild, minified, external, ESM';
      const options = { intervalMicros: 1_000, sourceMaps: false };
      const { profiles } = await runScenario('source-maps', major, { programs: { [name]: programs[name] }, ms, options });
      const { samples } = readProfile(profiles[name].file);
      const frames = samples.flatMap((sample) => sample.stack);
      assert.ok(frames.some((frame) => frame.file === programs[name].path && frame.line === 1), describeStacks(samples));
      assert.ok(frames.every((frame) => frame.file !== original));
      assert.equal(profiles[name].stats.sourceMapsLoaded, 0);
    });

    it(`a map that cannot be used is told of once, and changes nothing (Node ${major})`, async () => {
      const { names, profiles, problems, requests } = await runScenario('source-map-problems', major, { what: 'broken', options: { intervalMicros: 1_000 } }, { deadlineMs: 60_000 });
      assert.deepEqual(problems.map((problem) => basename(problem.script, '.mjs')).sort(), [...names].sort());
      const reasons = Object.fromEntries(problems.map((problem) => [basename(problem.script, '.mjs'), problem.reason]));
      for (const [name, word] of Object.entries({ missing: /No such file/, truncated: /no source map/, text: /no source map/, version: /version 3/, directory: /directory/, fifo: /regular file/, device: /regular file/, remote: /not fetched/, inline: /no source map/ })) {
        assert.match(reasons[name], word, name);
      }
      assert.equal(requests, 0, 'nothing is fetched');
      assert.equal(profiles.at(-1).stats.sourceMapsFailed, names.length);
      // On a busy machine one of the rounds may have no sample of a script.
      const samples = profiles.flatMap(({ file }) => readProfile(file).samples);
      for (const name of names) {
        const own = samples.filter(onlyOn(`${name}.mjs`));
        assert.ok(share(own, 'cpu', (sample) => sample.stack.some((frame) => frame.name === 'hot' && frame.line === 4)) > 0.8, `${name}: ${describeStacks(samples)}`);
      }
    });

    it(`a map that changes is read again, one that does not is not (Node ${major})`, async () => {
      const { profiles, problems } = await runScenario('source-map-problems', major, { what: 'changed', options: { intervalMicros: 1_000 } });
      const files = ['first.ts', 'first.ts', 'other.ts', 'changed.mjs', 'third.ts'];
      profiles.forEach(({ file }, round) => {
        const { samples } = readProfile(file);
        const hot = samples.filter(has('hot'));
        assert.ok(hot.length > 0 && share(hot, 'count', onlyOn(files[round])) === 1, `round ${round}: ${describeStacks(samples)}`);
      });
      assert.deepEqual(profiles.map(({ stats }) => stats.sourceMapsLoaded), [1, 1, 2, 2, 3]);
      assert.equal(problems.length, 1);
    });

    it(`a rotation does not wait longer than it may, and a later one has the map (Node ${major})`, async () => {
      const settings = { what: 'late', options: { intervalMicros: 1_000 }, hook: { sourceMapPatienceNanos: 0 } };
      const { profiles, problems } = await runScenario('source-map-problems', major, settings);
      const shows = (index, name) => {
        const hot = readProfile(profiles[index].file).samples.filter(has('hot'));
        assert.ok(hot.length > 0 && share(hot, 'count', onlyOn(name)) === 1, describeStacks(hot));
      };
      // Its map takes the loader longer than any rotation: whoever waits for it has the original.
      assert.ok(profiles[0].stats.sourceMapsLate > 0, 'the rotation has waited');
      shows(0, 'late.mjs');
      assert.equal(profiles[0].loaded, 0, 'the map was there when the rotation was');
      shows(1, 'late.ts');
      assert.deepEqual(problems, []);
    });

    it(`the last profile of a program that exits, or that a signal ends, has the originals (Node ${major})`, async () => {
      const burning = `import(${JSON.stringify(programs['esbuild, minified, external, ESM'].path)}).then(({ burn }) => burn(700)).then(() => console.log('BURNT'))`;
      for (const how of ['exit', 'SIGTERM']) {
        const out = scratch();
        const code = how === 'exit' ? burning : `${burning}.then(() => { while (true); })`;
        const env = { PRONGHORN_OUTPUT_DIR: out, PRONGHORN_INTERVAL_MICROS: '1000' };
        const child = launch(nodePath(major), ['--import', join(root, 'dist/register.js'), '-e', code], { env });
        if (how === 'SIGTERM') {
          await child.waitFor('BURNT', 20_000);
          child.kill('SIGTERM');
        }
        const ended = await child.done;
        assert.deepEqual([ended.code, ended.signal], how === 'exit' ? [0, null] : [null, 'SIGTERM'], ended.stderr);
        const files = readdirSync(out);
        assert.equal(files.length, 1, `${files}`);
        checkOriginals(join(out, files[0]), how);
      }
    });
  });
}
