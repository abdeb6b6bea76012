// Run by __test__/v8-view.test.mjs with the probe addon: `node program.cjs <addon> <mode> [argument]`, prints one line of JSON.
'use strict';
const [addonPath, mode, argument] = process.argv.slice(2);
const holder = { exports: {} };
process.dlopen(holder, addonPath);
const addon = holder.exports;

const wasmBytes = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, // magic, version
  1, 6, 1, 96, 1, 127, 1, 127, // type (i32) -> i32
  3, 3, 2, 0, 0, 5, 3, 1, 0, 1, // two functions, one page
  7, 15, 2, 4, 108, 111, 97, 100, 0, 0, 4, 115, 112, 105, 110, 0, 1, // exports "load", "spin"
  10, 35, 2, 7, 0, 32, 0, 40, 2, 0, 11, // load(address)
  25, 0, 3, 64, 32, 0, 65, 1, 107, 34, 0, 40, 2, 0, 26, 32, 0, 65, 0, 74, 13, 0, 11, 32, 0, 11, // spin(count)
]);

const modes = {
  names() {
    function probe() {
      return addon.prove();
    }
    const proof = probe();
    class Shape {
      #side = 2;
      get area() {
        return this.#side &&
          addon.stackHere();
      }
      static make() { return new Shape().area; }
    }
    function* steps() {
      yield Shape.make();
    }
    const größe = () => [1].map(
      () => eval('1;\n steps().next().value'));
    const made = new Function('callback', 'return callback()');
    const object = {};
    object.guessed = function () { return made(größe)[0]; };
    const long = `f${'x'.repeat(400)}`;
    const sliced = new Function('callback', `//# sourceURL=named.js\nreturn function ${long}() {\n  return callback();\n}`)(object.guessed);
    const many = (function manyLocals() {
      let a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9;
      let d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9;
      let g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9;
      eval('');
      return sliced();
    });
    const native = () => addon.call(many);
    return { proof, ...JSON.parse(native()) };
  },

  tiers() {
    const map = new Map(Array.from({ length: 100 }, (_, index) => [`k${index}`, index]));
    class Point { get v() { return this.q | 0; } set v(x) { this.q = x; } }
    function thrower(i) { if (i & 1) throw i; return i; }
    function leaf(x) {
      let s = 0, p = new Point();
      for (let i = 0; i < 20; i++) {
        s = (s + x * i) | 0;
        p.v = map.get('k' + (i & 63));
        s += p.v;
        if ((i & 7) === 3) { try { thrower(i); } catch { s++; } }
      }
      return s + 'abc'.replace(/b/, () => 'x').length;
    }
    function mid(x) {
      return leaf(x) + [1, 2, 3].map((y) => leaf(x + y)).length + [3, 1, 2].sort((p, q) => p - q)[0];
    }
    function outer(n) {
      let t = 0;
      for (let i = 0; i < n; i++) t = (t + mid(i)) | 0;
      return t;
    }
    function* generator() { for (;;) yield outer(20); }
    function main() {
      const end = Date.now() + Number(argument);
      const steps = generator();
      let t = 0;
      while (Date.now() < end) t += steps.next().value;
      return t;
    }
    function root() {
      addon.start(250);
      main();
      return JSON.parse(addon.stop());
    }
    return root();
  },

  line() {
    function hot(n) {
      let s = 1;
      for (let i = 0; i < n; i++) {
        s = s ^ 1;
        /* hot */ s = (s * 3 + i ^ 5) + (s * 7 ^ i) - (s * 9 ^ i * 2) + (s * 11 ^ i * 3) - (s ^ 13) * 3 + (s * 17 ^ i * 4) - (s * 19 ^ i * 5) + (s ^ 21) * 5 - (s * 3 + i ^ 5) + (s * 7 ^ i) - (s * 9 ^ i * 2) + (s * 11 ^ i * 3) | 0;
        s = s + 1 | 0;
      }
      return s;
    }
    function main() {
      const end = Date.now() + Number(argument);
      while (Date.now() < end) hot(5000);
    }
    addon.start(250);
    main();
    return JSON.parse(addon.stop());
  },

  wasm() {
    addon.faults(0);
    const { load, spin } = new WebAssembly.Instance(new WebAssembly.Module(wasmBytes)).exports;
    const traps = [];
    for (let i = 0; i < 3; i++) {
      try {
        load(1e8);
        traps.push('none');
      } catch (error) {
        traps.push(`${error instanceof WebAssembly.RuntimeError} ${error.message}`);
      }
    }
    function spinning() {
      const end = Date.now() + Number(argument);
      while (Date.now() < end) spin(60000);
    }
    addon.start(250);
    spinning();
    return { traps, ...JSON.parse(addon.stop()) };
  },

  handlers: () => [0, 2, 0, 3, 1, 2, 0, 2].map((step) => addon.faults(step)),

  fault: () => (addon.faults(0), addon.faults(Number(argument))),
};

console.log(JSON.stringify(modes[mode]()));
