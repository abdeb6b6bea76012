// WebAssembly: a hot loop, and a JavaScript function that it calls, with the callers below intact.
import { program } from '../helpers/program.mjs';

// (module
//   (import "host" "back" (func $back))
//   (func (export "spin") (param i32) (result i32) (local i32)
//     loop  local.get 1, local.get 0, i32.mul, i32.const 69069, i32.add, local.set 1
//           local.get 0, i32.const 1, i32.sub, local.tee 0, br_if 0  end
//     local.get 1)
//   (func (export "viaImport") call $back))
const bytes = [
  [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  [0x01, 0x09, 0x02, 0x60, 0x01, 0x7f, 0x01, 0x7f, 0x60, 0x00, 0x00], // types: (i32) -> i32, () -> ()
  [0x02, 0x0d, 0x01, 0x04, ...text('host'), 0x04, ...text('back'), 0x00, 0x01], // import 0
  [0x03, 0x03, 0x02, 0x00, 0x01], // functions 1 and 2
  [0x07, 0x14, 0x02, 0x04, ...text('spin'), 0x00, 0x01, 0x09, ...text('viaImport'), 0x00, 0x02],
  code(
    [0x01, 0x01, 0x7f, 0x03, 0x40, 0x20, 0x01, 0x20, 0x00, 0x6c, 0x41, 0xcd, 0x9b, 0x04, 0x6a, 0x21, 0x01, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b],
    [0x00, 0x10, 0x00, 0x0b],
  ),
];

function text(value) {
  return [...value].map((letter) => letter.charCodeAt(0));
}

function code(...bodies) {
  const content = [bodies.length, ...bodies.flatMap((body) => [body.length, ...body])];
  return [0x0a, content.length, ...content];
}

let sink = 1;

function back() { // @fn back @call *>back
  for (let index = 0; index < 1_000_000; index++) sink = (Math.imul(sink, 69069) + index) | 0; // @hot back
} // @end back

const { spin, viaImport } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes.flat())), { host: { back } }).exports;

function spinWasm() { // @fn spinWasm
  sink ^= spin(2_000_000); // @hot spinWasm @call spinWasm>*
} // @end spinWasm

function backThroughWasm() { // @fn backThroughWasm
  viaImport(); // @call backThroughWasm>back @call backThroughWasm>*
} // @end backThroughWasm

function work() { // @fn work @call *>work
  for (let index = 0; index < 2; index++) {
    spinWasm(); // @call work>spinWasm
    backThroughWasm(); // @call work>backThroughWasm
  }
} // @end work

const isWasm = (frame) => frame.name === '(wasm)';

export const truth = program(import.meta, {
  entry: work,
  check(profile, run, assert, { share, has, show }) {
    const spinning = profile.samples.filter(has('spinWasm'));
    assert.ok(share(profile.samples, 'count', has('spinWasm')) > 0.1, 'the loop in WebAssembly has samples');
    assert.ok(share(spinning, 'count', ({ stack }) => isWasm(stack.at(-1))) > 0.95, show(spinning[0].stack));
    const returning = profile.samples.filter(has('back'));
    assert.ok(share(profile.samples, 'count', has('back')) > 0.2);
    assert.ok(share(returning, 'count', has('backThroughWasm')) > 0.99, show(returning[0].stack));
    const between = ({ stack }) => stack.slice(stack.findIndex((frame) => frame.name === 'backThroughWasm'), stack.findIndex((frame) => frame.name === 'back')).some(isWasm);
    assert.ok(share(returning, 'count', between) > 0.95, show(returning[0].stack));
  },
});
