// Profiles of a program with two threads, native frames and inlined functions, encoded for OTLP in the process that took them.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { start } from 'pronghorn';
import { mergeProfiles } from '../../build/lib/pprof/merge.js';
import { loadNative } from '../../build/lib/native.js';
import { encodeOtlp } from '../../build/lib/otlp-encoder.js';
import { burn, fixture, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { burning } from '../helpers/workers.mjs';

const native = loadNative();
const id = (byte) => new Uint8Array(16).fill(byte);
const options = {
  resource: [
    { key: 'service.name', value: 'ignored' },
    { key: 'service.name', value: 'größe' },
    { key: 'process.pid', value: process.pid },
    { key: 'sampled', value: false },
  ],
  profileIds: [id(1), id(2), id(3)],
  gzip: true,
};

const codeOf = async (act) => {
  try {
    return `none: ${(await act()).length}`;
  } catch (error) {
    return error.code ?? String(error);
  }
};

async function period(profiler) {
  const working = worker.burn(60);
  for (let round = 0; round < 4; round++) {
    burn(20);
    fixture.burn(10);
    createHash('sha512').update(Buffer.alloc(4 << 20)).digest();
    await rest(5);
  }
  await working;
  return profiler;
}

const worker = burning('doesInWorker', { name: 'wörker' });
await worker.online;
const profiler = start(startOptions({ threads: 'all', nativeFrames: 'all' }));
const first = await (await period(profiler)).rotate();
const second = await (await period(profiler)).stop();
await worker.end();
start().stopSync();
const empty = start(startOptions()).stopSync();

const profiles = { first: first.data, merged: await mergeProfiles([first, second].map(({ data }, index) => ({ name: `${index}`, data }))), empty: empty.data };
for (const [name, data] of Object.entries(profiles)) {
  keep({ ...first, data }, name);
  writeFileSync(join(settings.out, `${name}.otlp.gz`), await encodeOtlp(native, data, options));
}

// The bytes are the native half's own from when the call returns.
const copy = Buffer.from(first.data);
const pending = encodeOtlp(native, copy, { ...options, gzip: false });
copy.fill(0);
const plain = await pending;
writeFileSync(join(settings.out, 'plain.otlp'), plain);

const encode = (data, more = {}) => codeOf(() => encodeOtlp(native, data, { resource: [], gzip: false, ...more }));
report({
  same: plain.equals(await encodeOtlp(native, first.data, { ...options, gzip: false })),
  codes: {
    garbage: await encode(Buffer.from('no profile')),
    nothing: await encode(Buffer.alloc(0)),
    truncated: await encode(first.data.subarray(0, -20)),
    noKey: await encode(first.data, { resource: [{ key: '', value: 1 }] }),
    fraction: await encode(first.data, { resource: [{ key: 'a', value: 0.5 }] }),
    zeroId: await encode(first.data, { profileIds: [new Uint8Array(16)] }),
    shortId: await encode(first.data, { profileIds: [new Uint8Array(15)] }),
  },
  pid: process.pid,
});
