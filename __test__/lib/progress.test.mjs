// The progress of `pronghorn run --duration`, on a screen that the program writes to as well: a small terminal shows what a person would see.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from '../../build/lib/command/progress.js';

/** Patterns with the control character itself in them are refused by the linter. */
const visible = (text) => text.replaceAll('\u001b', '␛');

/** A terminal as far as the sequences that are used: rows of characters, and a cursor. */
function screen(columns) {
  const rows = [[]];
  let [row, column, saved] = [0, 0, undefined];
  const sequences = [
    [/^␛7/, () => (saved = [row, column])],
    [/^␛8/, () => ([row, column] = saved)],
    [/^␛\[(\d+)G/, (match) => (column = Number(match[1]) - 1)],
    [/^␛\[K/, () => rows[row].splice(column)],
    [/^␛\[22?m/, () => undefined],
    [/^\n/, () => (rows[(row += 1)] ??= [], (column = 0))],
    [/^[^␛\n]/, (match) => {
      assert.ok(column < columns, 'nothing stands beyond the right end');
      rows[row][column++] = match[0];
    }],
  ];
  const write = (text) => {
    for (let rest = visible(text); rest !== ''; ) {
      const [pattern, act] = sequences.find(([each]) => each.test(rest)) ?? assert.fail(JSON.stringify(rest));
      const match = pattern.exec(rest);
      act(match);
      rest = rest.slice(match[0].length);
    }
  };
  return { columns: () => columns, write, lines: () => rows.map((each) => Array.from(each, (character) => character ?? ' ').join('')) };
}

test('it stands at the right end, and the program writes where it would have written', () => {
  const terminal = screen(60);
  const progress = new Progress(terminal, {});
  terminal.write('a prompt> ');
  progress.show('profiled 9 s of 20 s');
  assert.deepEqual(terminal.lines(), [`a prompt> ${' '.repeat(29)}profiled 9 s of 20 s`]);
  progress.show('profiled 10 s of 20 s');
  terminal.write('typed\n');
  assert.deepEqual(terminal.lines(), [`a prompt> typed${' '.repeat(23)}profiled 10 s of 20 s`, '']);
  progress.show('profiled 11 s of 20 s');
  progress.clear();
  progress.clear();
  terminal.write('out\n');
  assert.deepEqual(terminal.lines().slice(1).map((line) => line.trimEnd()), ['out', '']);
});

test('a shorter text leaves nothing of a longer one behind', () => {
  const terminal = screen(60);
  const progress = new Progress(terminal, { NO_COLOR: '1' });
  progress.show('profiled 59.9 s of 2 min');
  progress.show('profiled 1 min of 2 min');
  assert.deepEqual(terminal.lines(), [`${' '.repeat(36)}profiled 1 min of 2 min`]);
});

test('colours only where they are wanted; nothing where there is no room, no terminal, or one that knows no cursor', () => {
  const written = (columns, env) => {
    const texts = [];
    const progress = new Progress({ columns: () => columns, write: (text) => texts.push(text) }, env);
    progress.show('profiled 1 s of 2 s');
    progress.clear();
    return visible(texts.join(''));
  };
  assert.match(written(80, {}), /␛\[2mprofiled/);
  assert.match(written(80, { NO_COLOR: '1' }), /Gprofiled/);
  assert.match(written(80, { NO_COLOR: '' }), /␛\[2mprofiled/);
  for (const [columns, env] of [[59, {}], [0, {}], [undefined, {}], [80, { TERM: 'dumb' }]]) assert.equal(written(columns, env), '');
});
