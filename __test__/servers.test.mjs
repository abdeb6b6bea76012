// The real servers of the tests, Parca and an OpenTelemetry Collector: each takes a real profile, and gives back what is in it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import { readMessage, startCollector } from './helpers/collector.mjs';
import { majors } from './helpers/nodes.mjs';
import { selector, startParca } from './helpers/parca.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { request } from './helpers/servers.mjs';

/** A main thread that computes in onMain, and a worker that computes in onWorker. */
const twoThreads = async () => {
  const run = await runScenario('threads', majors.at(-2) ?? majors[0], { ms: 500, options: { intervalMicros: 1000 } });
  return { main: run.mainThread, worker: run.answers[0].threadId, bytes: readFileSync(run.profile.file), profile: readProfile(run.profile.file) };
};

const near = (actual, expected) => {
  assert.ok(expected > 0 && Math.abs(actual - expected) <= 0.05 * expected, `${actual} instead of ${expected}`);
};

describe('Parca', () => {
  let parca;
  let run;
  before(async () => {
    [parca, run] = await Promise.all([startParca(), twoThreads()]);
  });
  after(() => parca?.stop());

  it('knows nothing at first', async () => {
    assert.deepEqual([await parca.types(), await parca.labelNames()], [[], []]);
  });

  it('finds the hot function of a profile, with its CPU time', async () => {
    const { status, text } = await parca.writeRaw({ __name__: 'pronghorn', job: 'whole' }, run.bytes);
    assert.deepEqual([status, text], [200, '{}']);
    assert.deepEqual(
      (await parca.types()).sort(),
      ['cpu:nanoseconds', 'samples:count', 'wall:nanoseconds'].map((type) => `pronghorn:${type}:cpu:nanoseconds:delta`),
    );
    assert.deepEqual(await parca.labelValues('job'), ['whole']);
    // Counts come back as counts times the period.
    for (const [type, unit, value, factor] of [
      ['cpu', 'nanoseconds', 'cpu', 1],
      ['wall', 'nanoseconds', 'wall', 1],
      ['samples', 'count', 'count', run.profile.period],
    ]) {
      const top = await parca.top(selector(type, { unit, labels: { job: 'whole' } }));
      near(top.total, factor * total(run.profile.samples, value));
      for (const name of ['onMain', 'onWorker']) {
        const found = top.functions.filter((entry) => entry.name === name);
        assert.equal(found.length, 1, `${name}: ${JSON.stringify(found)}`);
        assert.match(found[0].file, /threads|workers|scenario/);
        near(found[0].cumulative, factor * total(run.profile.samples.filter(has(name)), value));
      }
    }
    assert.equal((await parca.top(selector('cpu', { labels: { job: 'other' } }))).total, 0);
  });

  it('drops the labels of samples: a thread is a series of its own', async () => {
    assert.deepEqual(await parca.labelNames(), ['job']);
    for (const thread of [run.main, run.worker]) {
      const answer = await parca.writeRaw({ __name__: 'pronghorn', job: 'threads', thread_id: String(thread) }, samplesOf(run.bytes, thread));
      assert.equal(answer.status, 200, answer.text);
    }
    assert.deepEqual((await parca.labelValues('thread_id')).sort(), [run.main, run.worker].map(String).sort());
    for (const [thread, own, foreign] of [[run.main, 'onMain', 'onWorker'], [run.worker, 'onWorker', 'onMain']]) {
      const top = await parca.top(selector('cpu', { labels: { job: 'threads', thread_id: String(thread) } }));
      const samples = run.profile.samples.filter((sample) => sample.threadId === thread);
      near(top.total, total(samples, 'cpu'));
      near(top.functions.find(({ name }) => name === own).cumulative, total(samples.filter(has(own)), 'cpu'));
      assert.ok(!top.functions.some(({ name }) => name === foreign));
    }
  });

  it('refuses what is no pprof, and a series without a name', async () => {
    const broken = await parca.writeRaw({ __name__: 'pronghorn', job: 'broken' }, Buffer.from('no pprof'));
    assert.equal(broken.status, 400, broken.text);
    const nameless = await parca.writeRaw({ job: 'nameless' }, run.bytes);
    assert.equal(nameless.status, 400, nameless.text);
    assert.ok(!(await parca.labelValues('job')).some((job) => job === 'broken' || job === 'nameless'));
  });

  it('leaves nothing behind', async () => {
    const other = await startParca();
    await other.stop();
    assert.ok(!existsSync(other.folder));
    await assert.rejects(request(other.url), (error) => error.cause.code === 'ECONNREFUSED');
  });
});

/** The profile with the samples of one thread only. */
function samplesOf(bytes, thread) {
  const { raw, samples } = readProfile(bytes);
  const own = new Profile({ ...raw, stringTable: raw.stringTable, sample: raw.sample.filter((_, index) => samples[index].threadId === thread) });
  return gzipSync(own.encode());
}

describe('the OpenTelemetry Collector', () => {
  let collector;
  let run;
  before(async () => {
    [collector, run] = await Promise.all([startCollector(), twoThreads()]);
  });
  after(() => collector?.stop());

  it('takes a profile and shows all of it', async () => {
    const message = asOtlp(run.profile, { 'service.name': 'tests', 'process.pid': 4242 });
    const { status, text } = await collector.push(message);
    assert.equal(status, 200, text);
    await collector.received(1);

    // As the file exporter wrote it.
    const [profile] = collector.profiles();
    assert.deepEqual(profile.resource, { 'service.name': 'tests', 'process.pid': 4242 });
    assert.deepEqual([profile.scope, profile.sampleType, profile.timeNanos], ['tests 1', 'cpu/nanoseconds', run.profile.timeNanos]);
    assert.deepEqual(profile.samples.map(({ stack }) => stack.map(({ name }) => name)), run.profile.samples.map(({ stack }) => stack.map(({ name }) => name)));
    const sum = (name, thread) =>
      profile.samples
        .filter((sample) => has(name)(sample) && sample.attributes['thread.id'] === thread)
        .reduce((cpu, { values }) => cpu + values[0], 0);
    near(sum('onMain', run.main), total(run.profile.samples.filter(has('onMain')), 'cpu'));
    near(sum('onWorker', run.worker), total(run.profile.samples.filter(has('onWorker')), 'cpu'));

    // As the debug exporter printed it.
    const debug = collector.debug();
    assert.deepEqual(debug.strings, message.dictionary.stringTable);
    assert.ok(debug.functions.some(({ name, file, startLine }) => name === 'onMain' && file.endsWith('.mjs') && startLine > 0));
    assert.ok(debug.locations.some((names) => names.includes('onWorker')));
    assert.equal(debug.profiles.length, 1);
    assert.deepEqual(debug.profiles[0].resource, profile.resource);
    assert.deepEqual(
      debug.profiles[0].samples,
      run.profile.samples.map(({ cpu, threadId, threadName }) => ({ values: [cpu], attributes: { 'thread.id': threadId, 'thread.name': threadName } })),
    );
  });

  it('takes gzip, and tells one message from the next', async () => {
    const { length } = collector.messages();
    const message = asOtlp(run.profile, { 'service.name': 'second' });
    const { status, text } = await collector.push(gzipSync(JSON.stringify(message)), { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    assert.equal(status, 200, text);
    await collector.received(length + 1);
    assert.equal(collector.profiles().at(-1).resource['service.name'], 'second');
    assert.equal(collector.debug().profiles.at(-1).resource['service.name'], 'second');
  });

  it('refuses what does not parse, and says why', async () => {
    const { length } = collector.messages();
    for (const [body, reason] of [
      ['{', /expect/],
      ['{"resourceProfiles": 3}', /ReadArray/],
      [Uint8Array.of(255, 255, 255), /unexpected EOF/],
    ]) {
      const { status, text } = await collector.push(body);
      assert.equal(status, 400, text);
      assert.match(text, reason);
    }
    assert.equal((await collector.push('{}', { 'content-encoding': 'gzip' })).status, 400);
    assert.equal((await collector.push('{}', { 'content-type': 'text/plain' })).status, 415);
    assert.equal(collector.messages().length, length);
  });

  it('does not look into the tables, so that the reader has to', () => {
    const message = asOtlp(run.profile, {});
    assert.equal(readMessage(message).length, 1);
    message.resourceProfiles[0].scopeProfiles[0].profiles[0].samples[0].stackIndex = message.dictionary.stackTable.length;
    assert.throws(() => readMessage(message), /the index \d+ in a table of \d+/);
  });
});

/** The CPU time of a profile as one OTLP message, made by hand: one profile, one sample for each of its samples. */
function asOtlp({ samples, timeNanos, durationNanos }, resource) {
  const table = (first) => {
    const entries = [first];
    const known = new Map([[JSON.stringify(first), 0]]);
    const index = (entry) => {
      const key = JSON.stringify(entry);
      if (!known.has(key)) known.set(key, entries.push(entry) - 1);
      return known.get(key);
    };
    return { entries, index };
  };
  const [strings, functions, locations, attributes, stacks] = [table(''), table({}), table({}), table({}), table({})];
  const value = (any) => (typeof any === 'number' ? { intValue: String(any) } : { stringValue: any });
  const type = { typeStrindex: strings.index('cpu'), unitStrindex: strings.index('nanoseconds') };
  const location = ({ name, file, line, startLine }) => {
    const functionIndex = functions.index({ nameStrindex: strings.index(name), filenameStrindex: strings.index(file), startLine: String(startLine) });
    return locations.index({ lines: [{ functionIndex, line: String(line) }] });
  };
  const attribute = ([key, any]) => attributes.index({ keyStrindex: strings.index(key), value: value(any) });
  const profile = {
    sampleType: type,
    periodType: type,
    period: '1000000',
    timeUnixNano: String(timeNanos),
    durationNano: String(durationNanos),
    samples: samples.map(({ stack, cpu, threadId, threadName }) => ({
      stackIndex: stacks.index({ locationIndices: stack.map(location).reverse() }),
      attributeIndices: Object.entries({ 'thread.id': threadId, 'thread.name': threadName }).map(attribute),
      values: [String(cpu)],
    })),
  };
  return {
    resourceProfiles: [
      {
        resource: { attributes: Object.entries(resource).map(([key, any]) => ({ key, value: value(any) })) },
        scopeProfiles: [{ scope: { name: 'tests', version: '1' }, profiles: [profile] }],
      },
    ],
    dictionary: {
      mappingTable: [{}],
      linkTable: [{}],
      stringTable: strings.entries,
      functionTable: functions.entries,
      locationTable: locations.entries,
      attributeTable: attributes.entries,
      stackTable: stacks.entries,
    },
  };
}
