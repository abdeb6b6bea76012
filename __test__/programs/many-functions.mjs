// 20,000 functions: each sample names the right one, at its own line.
import vm from 'node:vm';
import { program } from '../helpers/program.mjs';

const count = 20_000;
const lines = [];
for (let index = 0; index < count; index++) {
  lines.push(
    `function f${index}(value) {`,
    `  for (let i = 0; i < ${40 + (index % 7)}; i++) {`,
    `    value = (Math.imul(value, ${69069 + 2 * index}) + i) | 0`,
    '  }',
    '  return value',
    '}',
  );
}
lines.push('function caller(value) {', '  for (let i = 0; i < table.length; i++) {', '    value = table[i](value)', '  }', '  return value', '}');
lines.push(`const table = [${Array.from({ length: count }, (_, index) => `f${index}`).join(',')}]`, 'caller');
const caller = vm.runInThisContext(lines.join('\n'), { filename: '/generated/many-functions.js' });
let sink = 1;

function work() { // @fn work @call *>work
  sink = caller(sink); // @call work>*
} // @end work

export const truth = program(import.meta, {
  entry: work,
  ms: 1500,
  check(profile, run, assert, { show }) {
    const seen = new Set();
    for (const { stack } of profile.samples) {
      for (const [at, frame] of stack.entries()) {
        const index = /^f(\d+)$/.exec(frame.name)?.[1];
        if (index === undefined || frame.file !== '/generated/many-functions.js') continue;
        seen.add(index);
        const first = Number(index) * 6 + 1;
        assert.equal(frame.startLine, first, show(stack));
        assert.ok(frame.line >= first && frame.line < first + 6, show(stack));
        assert.equal(stack[at - 1].name, 'caller', show(stack));
        assert.equal(stack[at - 1].line, count * 6 + 3, show(stack));
      }
    }
    assert.ok(seen.size > 150, `${seen.size} different functions seen`);
  },
});
