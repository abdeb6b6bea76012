// The encoder's profiles, read by two readers that are not ours: pprof-format and `go tool pprof`.
//
// The profile comes from crates/pronghorn-pprof/examples/sample_profile.rs, which uses everything the encoder has. Both readers
// must find exactly what is written there. Without the Go toolchain this fails: a check that is skipped checks nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';

const root = fileURLToPath(new URL('..', import.meta.url));

const comments = ['pronghorn 0.1.0, node v24.21.0, v8 13.6.233.17', 'second comment'];
const sampleTypes = ['samples/count', 'cpu/nanoseconds', 'wall/nanoseconds'];
const mainLabels = { 'thread id': '4242', 'thread name': 'main' };
const workerLabels = { 'thread id': '4243', 'thread name': 'wörker 🧵' };
const mainFrame = 'main /app/index.js:3 s=1';
const unicode = 'größe_名前_🦌 /app/módulo.mjs:12 s=10';
const native = 'crypto::digest(unsigned char*) :0 s=0';
const mappings = [
  { range: '0x400000/0x5000000/0x0', file: '/usr/bin/node', buildId: '00aabbccddeeff11', hasFunctions: true },
  {
    range: '0x7f0000000000/0x7f0000100000/0x2000',
    file: '/usr/lib/bibliothèque.so.1',
    buildId: 'feedfacecafebeef00112233445566778899aabb',
    hasFunctions: true,
  },
];
/** Leaf first, as the format has it. */
const samples = [
  { stack: [native, unicode, mainFrame], values: [3n, 30_000_000n, 31_000_000n], labels: mainLabels },
  { stack: ['größe_名前_🦌 /app/módulo.mjs:300 s=10', mainFrame], values: [1n, 10_000_000n, 10_000_001n], labels: mainLabels },
  { stack: [native, unicode, mainFrame], values: [2n, 20_000_000n, 22_000_000n], labels: workerLabels },
  { stack: ['0x401000', mainFrame], values: [1n, 127n, 128n], labels: workerLabels },
  { stack: ['(idle) :0 s=0', mainFrame], values: [1n, 0n, 86_400_000_000_000n], labels: mainLabels },
  { stack: [...Array(1099).fill(unicode), mainFrame], values: [1n, 1n, 9_007_199_254_740_993n], labels: workerLabels },
  { stack: [mainFrame], values: [1n, 5n, 6n], labels: { allocated: '4096 bytes' } },
];
const totals = sampleTypes.map((_, index) => samples.reduce((sum, sample) => sum + sample.values[index], 0n));

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } });
  if (result.error?.code === 'ENOENT') {
    assert.fail(`this test needs the command "${command}", which is not on the PATH; install its toolchain and run again`);
  }
  assert.equal(result.status, 0, `${command} ${args.join(' ')}\n${result.error ?? ''}${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** The profile as pprof-format sees it, in the words of the expectations above. */
function readWithPprofFormat(bytes) {
  const profile = Profile.decode(bytes);
  const string = (index) => profile.stringTable.strings[Number(index)];
  const hex = (number) => `0x${BigInt(number).toString(16)}`;
  const functions = new Map(profile.function.map((entry) => [Number(entry.id), entry]));
  const locations = new Map(profile.location.map((entry) => [Number(entry.id), entry]));
  const frame = (id) => {
    const { address, line } = locations.get(Number(id));
    if (line.length === 0) return hex(address);
    const entry = functions.get(Number(line[0].functionId));
    return `${string(entry.name)} ${string(entry.filename)}:${line[0].line} s=${entry.startLine}`;
  };
  const label = ({ key, str, num, numUnit }) => [string(key), Number(str) === 0 ? `${num} ${string(numUnit)}`.trim() : string(str)];
  return {
    profile,
    string,
    sampleTypes: profile.sampleType.map(({ type, unit }) => `${string(type)}/${string(unit)}`),
    samples: profile.sample.map((sample) => ({
      stack: sample.locationId.map(frame),
      values: sample.value.map(BigInt),
      labels: Object.fromEntries(sample.label.map(label)),
    })),
    mappings: profile.mapping.map((entry) => ({
      range: [entry.memoryStart, entry.memoryLimit, entry.fileOffset].map(hex).join('/'),
      file: string(entry.filename),
      buildId: string(entry.buildId),
      hasFunctions: entry.hasFunctions,
    })),
    comments: profile.comment.map(string),
  };
}

/** The text of `go tool pprof -raw`, taken apart into the same words. */
function readWithGo(file) {
  const text = run('go', ['tool', 'pprof', '-raw', file]);
  const [head, afterHead] = text.split('\nSamples:\n');
  const [sampleText, afterSamples] = afterHead.split('\nLocations\n');
  const [locationText, mappingText] = afterSamples.split('\nMappings\n');
  const locations = new Map(
    locationText.split('\n').map((line) => {
      const [, id, address, rest] = /^ *(\d+): (0x[0-9a-f]+) (?:M=\d+ )?(.*)$/.exec(line);
      // The third number after the file is the column, and the name in parentheses the mangled one: the encoder writes neither.
      const named = /^(.*):(\d+):0 s=(\d+)(?:\(\))?$/.exec(rest);
      return [id, named ? `${named[1]}:${named[2]} s=${named[3]}` : address];
    }),
  );
  const samplesFound = [];
  const [types, ...lines] = sampleText.split('\n');
  for (const line of lines) {
    const sample = /^((?: *\d+)+): ([\d ]*)$/.exec(line);
    if (sample) {
      samplesFound.push({
        stack: sample[2]
          .trim()
          .split(' ')
          .map((id) => locations.get(id)),
        values: sample[1].trim().split(/ +/).map(BigInt),
        labels: {},
      });
    } else {
      const [, key, value] = /^ +(.*):\[(.*)\]$/.exec(line);
      samplesFound.at(-1).labels[key] = value;
    }
  }
  return {
    head,
    types,
    samples: samplesFound,
    mappings: mappingText
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [, range, path, buildId, flags] = /^\d+: (\S+) (\S+) (\S+) (.*)$/.exec(line);
        return { range, file: path, buildId, hasFunctions: flags.includes('[FN]') };
      }),
  };
}

describe('a profile of the encoder', () => {
  let directory;
  let file;
  let bytes;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'pronghorn-pprof-'));
    file = join(directory, 'sample.pb.gz');
    run('cargo', ['run', '--quiet', '--package', 'pronghorn-pprof', '--example', 'sample_profile', '--', file]);
    bytes = readFileSync(file);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is one gzip stream without a name or a time', () => {
    assert.deepEqual([...bytes.subarray(0, 3)], [0x1f, 0x8b, 8]);
    assert.equal(bytes[3], 0, 'no optional header fields');
    assert.equal(bytes.readUInt32LE(4), 0, 'no time, so equal profiles are equal files');
    assert.ok(gunzipSync(bytes).length > bytes.length);
  });

  it('reads the same with pprof-format as it was written', () => {
    const found = readWithPprofFormat(gunzipSync(bytes));
    assert.deepEqual(found.sampleTypes, sampleTypes);
    assert.deepEqual(found.samples, samples);
    assert.deepEqual(found.mappings, mappings);
    assert.deepEqual(found.comments, comments);
    assert.equal(found.string(found.profile.defaultSampleType), 'cpu');
    assert.equal(found.string(found.profile.periodType.type), 'cpu');
    assert.equal(found.string(found.profile.periodType.unit), 'nanoseconds');
    assert.equal(BigInt(found.profile.period), 10_000_000n);
    assert.equal(BigInt(found.profile.timeNanos), 1_795_437_296_789_000_000n);
    assert.equal(BigInt(found.profile.durationNanos), 1_500_000_000n);
  });

  it('numbers everything from 1 without gaps, and has each string once with the empty one first', () => {
    const { profile } = readWithPprofFormat(gunzipSync(bytes));
    for (const table of [profile.function, profile.location, profile.mapping]) {
      assert.deepEqual(
        table.map(({ id }) => Number(id)),
        table.map((_, index) => index + 1),
      );
    }
    const { strings } = profile.stringTable;
    assert.equal(strings[0], '');
    assert.equal(new Set(strings).size, strings.length);
  });

  it('reads the same with go tool pprof as it was written', () => {
    const found = readWithGo(file);
    assert.equal(found.types, 'samples/count cpu/nanoseconds[dflt] wall/nanoseconds');
    assert.deepEqual(found.samples, samples);
    assert.deepEqual(found.mappings, mappings);
    assert.deepEqual(found.head.split('\n'), [
      ...comments.map((comment) => `Comment: ${comment}`),
      'PeriodType: cpu nanoseconds',
      'Period: 10000000',
      'Time: 2026-11-23 12:34:56.789 +0000 UTC',
      'Duration: 1.5s',
    ]);
  });

  it('gives both readers the same totals', () => {
    const sums = (found) => sampleTypes.map((_, index) => found.reduce((sum, { values }) => sum + values[index], 0n));
    assert.deepEqual(sums(readWithPprofFormat(gunzipSync(bytes)).samples), totals);
    assert.deepEqual(sums(readWithGo(file).samples), totals);
  });

  it('is shown by go tool pprof -top with cpu first, whole names and the program as its file', () => {
    const text = run('go', ['tool', 'pprof', '-top', '-nodefraction=0', '-unit=nanoseconds', file]);
    assert.match(text, /^File: node$/m);
    assert.match(text, /^Build ID: 00aabbccddeeff11$/m);
    assert.match(text, /^Type: cpu$/m);
    assert.match(text, new RegExp(`Total samples = ${totals[1]}ns`));
    const shown = (name) =>
      text
        .split('\n')
        .find((line) => line.endsWith(`  ${name}`))
        ?.trim()
        .split(/ +/);
    assert.equal(shown('crypto::digest(unsigned char*)')?.[0], '50000000ns');
    assert.equal(shown('größe_名前_🦌')?.[0], '10000001ns');
    assert.equal(shown('main')?.[3], `${totals[1]}ns`, 'everything is below main');
  });
});
