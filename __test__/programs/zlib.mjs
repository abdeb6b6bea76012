// Synchronous compression: native frames above Node's own JavaScript, above ours.
import { deflateSync } from 'node:zlib';
import { program } from '../helpers/program.mjs';

const data = Buffer.from(Array.from({ length: 40_000 }, (_, index) => `line ${(index * 7919) % 1009}`).join('\n'));
let sink = 0;

function compress() { // @fn compress @call *>compress
  sink ^= deflateSync(data, { level: 9 }).length; // @call compress>* @hot compress
} // @end compress

export const truth = program(import.meta, {
  entry: compress,
  check(profile, run, assert, { share, show }) {
    const whole = ({ stack }) => {
      const names = stack.filter((frame) => !frame.native).map((frame) => frame.name);
      const at = names.indexOf('compress');
      // Node makes all the *Sync functions of zlib from one closure, which has a name of its own.
      return at >= 0 && names[at + 1] === 'syncBufferWrapper' && names.includes('processChunkSync');
    };
    assert.ok(share(profile.samples, 'count', whole) > 0.85, show(profile.samples[0].stack));
    assert.ok(share(profile.samples, 'count', ({ stack }) => stack.at(-1).native && /deflate|longest_match|slide_hash|crc|adler|tr_|fill_window|insert_string|mem/i.test(stack.at(-1).name)) > 0.7);
  },
});
