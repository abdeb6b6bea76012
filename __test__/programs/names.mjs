// Names that are not plain one-byte strings: two-byte function names, and script names that are sliced, cons and two-byte.
import vm from 'node:vm';
import { program } from '../helpers/program.mjs';

let sink = 1;

function функция(value) { // @fn функция
  for (let index = 0; index < 30_000; index++) value = (Math.imul(value, 69069) + index) | 0;
  return value;
} // @end функция

function 関数の名前がとても長い場合でも正しく表示される(value) { // @fn 関数の名前がとても長い場合でも正しく表示される
  for (let index = 0; index < 30_000; index++) value = (Math.imul(value, 1664525) + index) | 0;
  return value;
} // @end 関数の名前がとても長い場合でも正しく表示される

const body = (name) => `(function ${name}(value) {\n for (let i = 0; i < 30000; i++) value = (Math.imul(value, 69069) + i) | 0\n return value\n})`;
// V8 keeps a substring of 13 or more characters as a slice of its parent, and a concatenation of as many as a pair.
const parent = `xxx/scripts/${'deep/'.repeat(6)}sliced-script-name.js`;
const sliced = parent.slice(3);
let cons = '/scripts/of-two-halves/';
cons += `cons-script-name-${process.argv.length > 0 ? 'a' : 'b'}.js`;
const twoByte = '/scripts/скрипт-с-длинным-именем.js';

const inSliced = vm.runInThisContext(body('inSliced'), { filename: sliced });
const inCons = vm.runInThisContext(body('inCons'), { filename: cons });
const inTwoByte = vm.runInThisContext(body('inTwoByte'), { filename: twoByte });

function callThem() { // @fn callThem @call *>callThem
  for (let index = 0; index < 20; index++) {
    sink = функция(sink); // @call callThem>функция
    sink = 関数の名前がとても長い場合でも正しく表示される(sink); // @call callThem>関数の名前がとても長い場合でも正しく表示される
    sink = inSliced(sink); // @call callThem>*
    sink = inCons(sink); // @call callThem>*
    sink = inTwoByte(sink); // @call callThem>*
  }
} // @end callThem

const files = { inSliced: sliced, inCons: cons, inTwoByte: twoByte };

export const truth = program(import.meta, {
  entry: callThem,
  check(profile, run, assert, { share, has }) {
    for (const name of ['функция', '関数の名前がとても長い場合でも正しく表示される', ...Object.keys(files)]) {
      const part = share(profile.samples, 'count', has(name));
      assert.ok(part > 0.02 && part < 0.6, `${name} holds ${part}`);
    }
    for (const [name, file] of Object.entries(files)) {
      const frames = profile.samples.flatMap(({ stack }) => stack.filter((frame) => frame.name === name));
      assert.deepEqual([...new Set(frames.map((frame) => frame.file))], [file.replace('b.js', 'a.js')]);
      assert.ok(frames.every((frame) => frame.startLine === 1 && frame.line >= 1 && frame.line <= 3));
    }
  },
});
