// JSON.parse and JSON.stringify: native work inside V8, on the JavaScript line that asked for it.
import { program } from '../helpers/program.mjs';

const text = JSON.stringify(Array.from({ length: 2000 }, (_, index) => ({ index, name: `name ${index}`, nested: { values: [index, index / 7] } })));
let sink = 0;

function parseIt() { // @fn parseIt
  const list = JSON.parse(text); // @hot parseIt
  sink ^= list.length;
  return list;
} // @end parseIt

function work() { // @fn work @call *>work
  for (let index = 0; index < 5; index++) parseIt(); // @call work>parseIt
} // @end work

export const truth = program(import.meta, {
  entry: work,
  leaf: { name: 'parseIt', share: 0.95, hot: 0.95 },
  check(profile, run, assert, { share }) {
    assert.ok(share(profile.samples, 'count', ({ stack }) => stack.some((frame) => /JsonParse|JsonParser/.test(frame.name) && frame.native)) > 0.7, 'no JsonParser frame');
  },
});
