// OpenSSL's assembly keeps no frame pointer: the JavaScript below it must still be there.
import { createHash, pbkdf2Sync } from 'node:crypto';
import { program } from '../helpers/program.mjs';

const data = Buffer.alloc(400_000, 'abc');
let sink = 0;

function derive() { // @fn derive
  sink ^= pbkdf2Sync('password', 'salt', 4000, 32, 'sha512')[0]; // @call derive>* @hot derive
} // @end derive

function digest() { // @fn digest
  const hash = createHash('sha256'); // @call digest>*
  hash.update(data); // @call digest>* @hot digest
  sink ^= hash.digest()[0]; // @call digest>*
} // @end digest

function work() { // @fn work @call *>work
  derive(); // @call work>derive
  for (let index = 0; index < 3; index++) digest(); // @call work>digest
} // @end work

export const truth = program(import.meta, {
  entry: work,
  check(profile, run, assert, { share, has, total }) {
    assert.ok(share(profile.samples, 'count', has('derive')) > 0.2);
    assert.ok(share(profile.samples, 'count', has('digest')) > 0.1);
    const native = profile.samples.filter(({ stack }) => stack.at(-1).native);
    assert.ok(total(native.filter((sample) => has('derive')(sample) || has('digest')(sample)), 'count') > 0.9 * total(native, 'count'));
    const through = profile.samples.filter((sample) => has('derive')(sample) && sample.stack.at(-1).native);
    assert.ok(share(through, 'count', has('pbkdf2Sync')) > 0.98);
  },
});
