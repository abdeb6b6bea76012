// Getters, setters, static, private and ordinary methods, constructors and a superclass.
import { program } from '../helpers/program.mjs';

let sink = 1;

function churn(rounds) { // @fn churn
  for (let index = 0; index < rounds; index++) {
    sink = (Math.imul(sink, 69069) + index) | 0; // @hot churn
  }
  return sink;
} // @end churn

class Base {
  constructor(value) { // @fn Base
    this.value = churn(4000) + value; // @call Base>churn
  } // @end Base
}

class Shape extends Base {
  constructor() { // @fn Shape
    super(1); // @call Shape>Base
    this.kind = 2;
  } // @end Shape
  get size() { // @fn get size
    return churn(4000); // @call get size>churn
  } // @end get size
  set size(value) { // @fn set size
    this.value = churn(4000) + value; // @call set size>churn
  } // @end set size
  static measure() { // @fn measure
    return churn(4000); // @call measure>churn
  } // @end measure
  #hidden() { // @fn #hidden
    return churn(4000); // @call #hidden>churn
  } // @end #hidden
  reveal() { // @fn reveal
    return this.#hidden(); // @call reveal>#hidden
  } // @end reveal
}

function useAll() { // @fn useAll @call *>useAll
  for (let index = 0; index < 100; index++) {
    const shape = new Shape(); // @call useAll>Shape
    sink += shape.size; // @call useAll>get size
    shape.size = index; // @call useAll>set size
    sink += Shape.measure(); // @call useAll>measure
    sink += shape.reveal(); // @call useAll>reveal
  }
} // @end useAll

export const truth = program(import.meta, {
  entry: useAll,
  leaf: { name: 'churn', share: 0.9 },
  tiers: true,
  check(profile, run, assert) {
    for (const name of ['Base', 'Shape', 'get size', 'set size', 'measure', '#hidden', 'reveal']) {
      assert.ok(profile.samples.some(({ stack }) => stack.some((frame) => frame.name === name)), `no sample in ${name}`);
    }
  },
});
