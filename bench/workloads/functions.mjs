// A program of many small functions, all of them compiled: what a profiler that has to know of each function pays for.
import vm from 'node:vm';

/** @returns {((value: number) => number)[]} functions that have run */
export function loadFunctions(count, { from = 0, filename = `functions-${from}.js` } = {}) {
  const names = Array.from({ length: count }, (_, index) => `f${from + index}`);
  const lines = names.map((name, index) => `function ${name}(v) { for (let i = 0; i < 4; i++) v = (v * 31 + ${from + index} + i) | 0; return v }`);
  const functions = vm.runInThisContext(`(() => {\n${lines.join('\n')}\nreturn [${names.join(',')}]\n})()`, { filename });
  let sink = 1;
  for (let round = 0; round < 2; round++) for (const each of functions) sink = each(sink);
  return functions;
}

/** Calls them in turns, some at a time, so that samples see ever other ones. */
export function caller(functions, batch = 200) {
  let next = 0;
  let sink = 1;
  return () => {
    for (let index = 0; index < batch; index++) {
      const each = functions[next];
      next = next + 1 === functions.length ? 0 : next + 1;
      for (let times = 0; times < 20; times++) sink = each(sink);
    }
    return sink;
  };
}
