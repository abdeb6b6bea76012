// The readers of pprof that the commands have, over one input: each ends with a result or with an error that says what is wrong with the profile.
import { mergeProfiles } from '../../build/lib/pprof/merge.js';
import { readProfile } from '../../build/lib/pprof/reader.js';
import { WireError } from '../../build/lib/pprof/protobuf.js';
import { PronghornError } from '../../build/lib/errors.js';
import { formatTop } from '../../build/lib/command/top-table.js';
import { top } from '../../build/lib/command/top.js';
import { encodeDocument } from '../../build/lib/flame/document.js';

/** Whether a reader has said what is wrong: anything else is a defect of ours. */
const isRefusal = (error) =>
  error instanceof WireError || (error instanceof PronghornError && ['ERR_PRONGHORN_INVALID_PROFILE', 'ERR_PRONGHORN_INCOMPATIBLE_PROFILES'].includes(error.code));

async function outcome(work) {
  try {
    return { value: await work() };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { refused: error };
  }
}

const table = { value: undefined, sort: 'total', count: 50 };

/**
 * @param {Buffer} bytes
 * @param {Buffer} sound a profile to merge it with
 * @returns {Promise<number>} how many of the readers took it
 */
export async function readInEveryWay(bytes, sound) {
  let taken = 0;
  const read = await outcome(() => readProfile(bytes));
  if (read.value !== undefined) {
    taken++;
    for (const by of [undefined, 'process', 'thread', { label: 'tenant' }]) {
      const result = await outcome(() => top(read.value, { ...table, by }));
      if (result.value !== undefined) formatTop(result.value, { title: 'x.pb.gz', directory: '/', width: 100 });
      const request = { title: 'x.pb.gz', value: undefined, by };
      const base = { profile: read.value, title: 'y' };
      await outcome(() => encodeDocument(read.value, request));
      await outcome(() => encodeDocument(read.value, { ...request, by: undefined }, base));
    }
  }
  const merged = await outcome(() => mergeProfiles([{ name: 'a', data: bytes }, { name: 'b', data: bytes }]));
  if (merged.value !== undefined) {
    taken++;
    // What merging writes is a profile, whatever it was made of: merging it once more must work.
    await mergeProfiles([{ name: 'merged', data: merged.value }]);
  }
  await outcome(() => mergeProfiles([{ name: 'sound', data: sound }, { name: 'damaged', data: bytes }]));
  return taken;
}
