// Reads damaged profiles until time or inputs run out. Run as a program:
//   node __test__/fuzz/fuzz.mjs [--seed N] [--inputs N] [--seconds N]
// An input that a reader does not end well with is written to the temporary folder, and its seed is said.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { damage, damageBytes, Random } from './mutations.mjs';
import { soundProfiles } from './profiles.mjs';
import { readInEveryWay } from './readers.mjs';

/** How much memory may have been in use at once: no input is larger than 100 KB. */
export const MOST_BYTES = 512 * 1024 * 1024;

/**
 * @param {{ seed?: number, inputs?: number, seconds?: number, read?: typeof readInEveryWay }} options `read` is what reads an input
 * @returns {Promise<{ tried: number, taken: number, refused: number, peakBytes: number }>}
 */
export async function fuzz({ seed = 1, inputs = Infinity, seconds = Infinity, read = readInEveryWay }) {
  const sound = soundProfiles();
  const end = performance.now() + seconds * 1000;
  const sum = { tried: 0, taken: 0, refused: 0, peakBytes: 0 };
  while (sum.tried < inputs && performance.now() < end) {
    const random = new Random(seed + sum.tried);
    const original = random.pick(sound);
    let bytes = damage(original, random);
    if (random.below(8) === 0) bytes = damageBytes(gzipSync(bytes), random);
    try {
      const taken = await read(bytes, original);
      if (taken > 0) sum.taken++;
      else sum.refused++;
    } catch (error) {
      const file = join(tmpdir(), `pronghorn-fuzz-${seed + sum.tried}.pb`);
      writeFileSync(file, bytes);
      throw new Error(`seed ${seed + sum.tried} (${file}): ${error.stack}`, { cause: error });
    }
    sum.tried++;
    if (sum.tried % 64 === 0) sum.peakBytes = Math.max(sum.peakBytes, process.memoryUsage.rss());
  }
  return sum;
}

if (import.meta.filename === process.argv[1]) {
  const option = (name) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? undefined : Number(process.argv[at + 1]);
  };
  const sum = await fuzz({ seed: option('seed'), inputs: option('inputs'), seconds: option('seconds') });
  console.log(JSON.stringify(sum));
  if (sum.peakBytes > MOST_BYTES) throw new Error(`${sum.peakBytes} bytes were in use`);
}
