// Everything that moves V8's objects and frames about, at once: allocation, deoptimization, eval, exceptions, closures made
// and dropped, recompilation, regular expressions, and calls back from native code.
import vm from 'node:vm';
import { program } from '../helpers/program.mjs';

let fixture;
let sink = 1;
const kept = [];

function allocate(seed) { // @fn allocate
  const list = [];
  for (let index = 0; index < 200; index++) list.push({ index, text: `entry ${index + seed}`, nested: [index, { seed }] }); // @call allocate>*
  kept[seed % 50] = list;
  return list.length;
} // @end allocate

function shapeShifter(value) { // @fn shapeShifter
  return value.x + value.y;
} // @end shapeShifter

function deoptimize(seed) { // @fn deoptimize
  // Warm with one shape, then another: the optimized code is thrown away, again and again.
  const add = new Function('value', `return value.x + value.y + ${seed % 7}`); // @call deoptimize>*
  for (let index = 0; index < 3000; index++) sink ^= shapeShifter({ x: index, y: seed }); // @call deoptimize>shapeShifter
  sink ^= shapeShifter(seed % 2 === 0 ? { y: 1.5, x: 'a' } : { z: 1, x: seed, y: 2 }).length | 0; // @call deoptimize>shapeShifter
  for (let index = 0; index < 500; index++) sink ^= add({ x: index, y: seed }); // @call deoptimize>*
  sink ^= add({ y: '1', x: 2.5 }).length | 0; // @call deoptimize>*
} // @end deoptimize

function evaluate(seed) { // @fn evaluate
  const source = `(function evaluated${seed % 1000}(n) { let s = ${seed}; for (let i = 0; i < n; i++) s = (s * 31 + i) | 0; return s })`;
  const fn = vm.runInThisContext(source); // @call evaluate>*
  sink ^= fn(2000); // @call evaluate>*
} // @end evaluate

function raise(depth) { // @fn raise
  if (depth === 0) throw new RangeError(`at ${sink}`); // @call raise>*
  raise(depth - 1); // @call raise>raise
} // @end raise

function exceptions() { // @fn exceptions
  for (let index = 0; index < 30; index++) {
    try {
      raise(index % 20); // @call exceptions>raise
    } catch (error) {
      sink ^= error.stack.length; // @call exceptions>*
    }
  }
} // @end exceptions

function recursive(depth) { // @fn recursive
  return depth === 0 ? 1 : (recursive(depth - 1) + depth) | 0; // @call recursive>recursive
} // @end recursive

function strings(seed) { // @fn strings
  let text = '';
  for (let index = 0; index < 100; index++) text += String.fromCharCode(97 + ((index * seed) % 26));
  sink ^= text.replace(/[aeiou]+/g, (match) => match.toUpperCase()).split('A').sort().join('').length; // @fn (anonymous) @call strings>(anonymous)
} // @end strings

function called() { // @fn called @call *>called
  sink ^= recursive(60); // @call called>recursive
} // @end called

function native() { // @fn native
  fixture.churn(1);
  fixture.callBack(called); // @call native>called
  sink ^= JSON.parse(JSON.stringify(kept[0] ?? [])).length;
} // @end native

let seed = 0;
function everything() { // @fn everything @call *>everything
  seed++;
  allocate(seed); // @call everything>allocate
  deoptimize(seed); // @call everything>deoptimize
  evaluate(seed); // @call everything>evaluate
  exceptions(); // @call everything>exceptions
  sink ^= recursive(seed % 400); // @call everything>recursive
  strings(seed); // @call everything>strings
  native(); // @call everything>native
} // @end everything

export const truth = program(import.meta, { entry: everything, prepare: (context) => (fixture = context.fixture) });
