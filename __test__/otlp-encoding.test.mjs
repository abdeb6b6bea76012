// Profiles of a real program as OTLP requests: every rule of the format, and the same samples as in the pprof, by readers that are not ours.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { majors, root } from './helpers/nodes.mjs';
import { assertRules, attributesOf, readRequest, samplesOf, valueOf } from './helpers/otlp.mjs';
import { readProfile } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';

/** The profiles of a request, by their sample types. */
function profilesOf(request) {
  const { stringTable } = request.dictionary;
  const { profiles } = request.resourceProfiles[0].scopeProfiles[0];
  return new Map(profiles.map((profile) => [stringTable[profile.sampleType.typeStrindex], profile]));
}

/** Samples as texts with their values, whatever their order. */
function sums(samples, value, frameOf) {
  const all = new Map();
  for (const sample of samples) {
    const key = [sample.stack.map((frame) => frameOf(frame).join()).join(' > '), sample.threadId, sample.threadName, sample.pid].join(' | ');
    all.set(key, (all.get(key) ?? 0) + sample[value]);
  }
  return [...all].filter(([, sum]) => sum !== 0).sort();
}

/** A frame of helpers/pprof.mjs, as helpers/otlp.mjs shows it. */
const frameOfPprof = ({ name, file, line, startLine, address, mapping, native }) => [
  name,
  file,
  line,
  startLine,
  address,
  mapping === undefined ? '' : [mapping.start, mapping.file, mapping.buildId].join(),
  native || name === '(native code)' ? 'native' : 'v8js',
];
/** The other way round: helpers/pprof.mjs makes paths of URLs. */
const plainFile = ([name, file, ...rest]) => [name, file.startsWith('file://') ? decodeURI(new URL(file).pathname) : file, ...rest];

for (const major of majors) {
  describe(`OTLP on Node ${major}`, () => {
    let scenario;
    const read = (name) => readRequest(gunzipSync(readFileSync(join(scenario.out, `${name}.otlp.gz`))));
    before(async () => {
      scenario = await runScenario('otlp', major, { options: { intervalMicros: 1000 } }, { deadlineMs: 60_000 });
    });

    for (const name of ['first', 'merged', 'empty']) {
      it(`a request keeps every rule: ${name} (Node ${major})`, async () => {
        assertRules(await read(name));
      });

      it(`a request says what its pprof says: ${name} (Node ${major})`, async () => {
        const request = await read(name);
        const pprof = readProfile(join(scenario.out, `${name}.pb.gz`));
        for (const sample of pprof.samples) sample.pid = Number(sample.labels['process id']);
        const profiles = profilesOf(request);
        assert.deepEqual([...profiles.keys()], ['cpu', 'samples', 'wall'], 'the one to be shown comes first');
        for (const [type, profile] of profiles) {
          const value = type === 'samples' ? 'count' : type;
          assert.deepEqual(sums(samplesOf(request, profile), 'value', plainFile), sums(pprof.samples, value, frameOfPprof), type);
          const { stringTable } = request.dictionary;
          assert.equal(stringTable[profile.sampleType.unitStrindex], type === 'samples' ? 'count' : 'nanoseconds');
          assert.equal(`${stringTable[profile.periodType.typeStrindex]}/${stringTable[profile.periodType.unitStrindex]}`, pprof.periodType);
          assert.equal(Number(profile.period), pprof.period);
          assert.deepEqual([profile.timeUnixNano, profile.durationNano], [pprof.timeNanos, pprof.durationNanos]);
          assert.deepEqual(attributesOf(request.dictionary, profile.attributeIndices), { 'pprof.profile.comment': pprof.comments });
        }
      });
    }

    it(`both threads and both kinds of frames are there (Node ${major})`, async () => {
      const request = await read('first');
      const samples = samplesOf(request, profilesOf(request).get('cpu'));
      const kindOf = (name) => new Set(samples.flatMap(({ stack }) => stack.filter((frame) => frame[0].includes(name)).map((frame) => frame.at(-1))));
      assert.deepEqual([...kindOf('doesInWorker')], ['v8js']);
      assert.deepEqual([...kindOf('pronghorn_fixture_burn')], ['native']);
      const threads = new Set(samples.map(({ threadName }) => threadName));
      assert.ok(threads.has('main') && threads.has('wörker'), `${[...threads]}`);
      assert.deepEqual([...new Set(samples.map(({ pid }) => pid))], [scenario.pid]);
    });

    it(`the request says who it is from (Node ${major})`, async () => {
      const [{ resource, scopeProfiles }] = (await read('first')).resourceProfiles;
      assert.deepEqual(resource.attributes.map(({ key, value }) => [key, valueOf(value)]), [
        ['service.name', 'größe'],
        ['process.pid', BigInt(scenario.pid)],
        ['sampled', false],
      ]);
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      assert.deepEqual([scopeProfiles[0].scope.name, scopeProfiles[0].scope.version], ['pronghorn', version]);
      const ids = scopeProfiles[0].profiles.map(({ profileId }) => Buffer.from(profileId, 'base64')[0]);
      assert.deepEqual(ids, [2, 1, 3], 'ids go by the sample types of the pprof');
    });

    it(`compressed or not it is the same, and overwriting the pprof changes nothing (Node ${major})`, () => {
      const plain = readFileSync(join(scenario.out, 'plain.otlp'));
      assert.ok(plain.equals(gunzipSync(readFileSync(join(scenario.out, 'first.otlp.gz')))));
      assert.equal(scenario.same, true);
    });

    it(`what cannot be encoded has its code (Node ${major})`, () => {
      const [profile, option] = ['ERR_PRONGHORN_INVALID_PROFILE', 'ERR_PRONGHORN_INVALID_OPTION'];
      assert.deepEqual(scenario.codes, {
        garbage: profile,
        nothing: profile,
        truncated: profile,
        noKey: option,
        fraction: option,
        zeroId: option,
        shortId: option,
      });
    });
  });
}

it('the rules notice what breaks them', async () => {
  const { out } = await runScenario('otlp', majors[0], { options: { intervalMicros: 1000 } }, { deadlineMs: 60_000 });
  const bytes = readFileSync(join(out, 'plain.otlp'));
  const damages = {
    'begins with its zero value': ({ dictionary }) => dictionary.stringTable.reverse(),
    'has an entry twice': ({ dictionary }) => dictionary.stackTable.push(dictionary.stackTable[1]),
    'nobody names': ({ dictionary }) => dictionary.stringTable.push('orphan'),
    'is named': (_request, profile) => (profile.samples[0].stackIndex = 1_000_000),
    'values, ': (_request, profile) => (profile.samples[0].values = [1n, 2n]),
    'a sample of nothing': (_request, profile) => (profile.samples[0].values = [0n]),
    'a sample is there twice': (_request, profile) => profile.samples.push(profile.samples[0]),
    'a mapping of': ({ dictionary }) => (dictionary.mappingTable[1].memoryLimit = 1n),
    'column -1': ({ dictionary }) => (dictionary.locationTable.find(({ lines }) => lines.length > 0).lines[0].column = -1n),
    'frame type': ({ dictionary }) => (dictionary.locationTable[1].attributeIndices = []),
    'has a key twice': (_request, { samples: [sample] }) => sample.attributeIndices.push(sample.attributeIndices[0]),
    'profile id': (_request, profile) => (profile.profileId = Buffer.alloc(16).toString('base64')),
    'outside of the profile': (_request, { samples: [sample] }) => (sample.timestampsUnixNano = [1n]),
  };
  for (const [sentence, damage] of Object.entries(damages)) {
    const request = await readRequest(bytes);
    assertRules(request);
    damage(request, request.resourceProfiles[0].scopeProfiles[0].profiles[0]);
    assert.throws(() => assertRules(request), (error) => error.message.includes(sentence), sentence);
  }
});
