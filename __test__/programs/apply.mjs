// Calls that go through call, apply, bind, Reflect.apply, a Proxy, and with too few and too many arguments.
import { program } from '../helpers/program.mjs';

let sink = 1;

function target(value, rounds) { // @fn target
  for (let index = 0; index < (rounds ?? 3000); index++) value = (Math.imul(value, 69069) + index) | 0; // @hot target
  return value;
} // @end target

const bound = target.bind(null);
const proxy = new Proxy(target, {});

function callThem() { // @fn callThem @call *>callThem
  for (let index = 0; index < 50; index++) {
    sink = target.call(null, sink); // @call callThem>target
    sink = target.apply(null, [sink, 3000]); // @call callThem>target
    sink = Reflect.apply(target, null, [sink, 3000, 1, 2, 3]); // @call callThem>target
    sink = bound(sink); // @call callThem>target
    sink = proxy(sink); // @call callThem>target
    sink = target(...[sink, 3000, 7]); // @call callThem>target
  }
} // @end callThem

export const truth = program(import.meta, { entry: callThem, leaf: { name: 'target', share: 0.9 }, tiers: true });
