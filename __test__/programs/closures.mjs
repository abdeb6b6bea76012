// Closures over different variables share one function; an arrow without a name stays one.
import { program } from '../helpers/program.mjs';

let sink = 0;

function makeAdder(step) { // @fn makeAdder
  return function adder(value) { // @fn adder
    let result = value;
    for (let index = 0; index < 3000; index++) {
      result = (Math.imul(result, 33) + step + index) | 0; // @hot adder
    }
    return result;
  }; // @end adder
} // @end makeAdder

const adders = [makeAdder(1), makeAdder(2), makeAdder(3)];
// V8 infers a name for it from the variable, which is not its name: either may show.
const nameless = [(value, inner) => inner(value)]; // @fn (anonymous) @call (anonymous)>adder @fn nameless @call nameless>adder

function callThem() { // @fn callThem @call *>callThem
  for (let index = 0; index < 300; index++) {
    sink = adders[index % 3](sink); // @call callThem>adder
    sink = nameless[0](sink, adders[2]); // @call callThem>(anonymous) @call callThem>nameless
  }
} // @end callThem

export const truth = program(import.meta, { entry: callThem, leaf: { name: 'adder', share: 0.9 }, tiers: true });
