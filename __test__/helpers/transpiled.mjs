// A TypeScript program with known hot lines, which computes for a given CPU time, and what compilers make of it.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './nodes.mjs';
import { scratch } from './scratch.mjs';

// Types and comments make the lines of the original differ from those of the generated code. Each hot line says whose it is.
const SOURCE = `interface Options {
  rounds: number;
  label?: string;
}

type Sink = { value: number };

const sink: Sink = { value: 1 };

/** Computes. */
export function spinHotly(options: Options): number {
  let value: number = sink.value;

  // A comment that no compiler keeps.
  for (let index = 0; index < options.rounds; index++) value = (Math.imul(value, 69069) + index) | 0; // hot: spinHotly
  return (sink.value = value);
}

abstract class Base<T> {
  protected abstract once(): T;
}

export class Machine extends Base<number> {
  constructor(private readonly rounds: number) {
    super();
  }

  protected override once(): number {
    let value: number = sink.value;
    for (let index = 0; index < this.rounds; index++) value = (Math.imul(value, 69069) + index) | 0; // hot: once
    return (sink.value = value);
  }

  turnWheel(): number {
    return this.once();
  }
}

const arrowHotly = (rounds: number): number => {
  let value: number = sink.value;
  for (let index = 0; index < rounds; index++) value = (Math.imul(value, 69069) + index) | 0; // hot: arrowHotly
  return (sink.value = value);
};

export async function asyncHotly(rounds: number): Promise<number> {
  await null;
  let value: number = sink.value;
  for (let index = 0; index < rounds; index++) value = (Math.imul(value, 69069) + index) | 0; // hot: asyncHotly
  return (sink.value = value);
}

const usedMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

export async function burn(ms: number): Promise<void> {
  const machine = new Machine(200_000);
  const end = usedMs() + ms;
  while (usedMs() < end) {
    spinHotly({ rounds: 200_000 });
    machine.turnWheel();
    arrowHotly(200_000);
    await asyncHotly(200_000);
  }
}
`;

/** The line of each hot function in the original. */
export const HOT = Object.fromEntries(
  SOURCE.split('\n').flatMap((text, index) => {
    const name = / hot: (\w+)$/.exec(text)?.[1];
    return name === undefined ? [] : [[name, index + 1]];
  }),
);

/** The first line of each. */
export const STARTS = Object.fromEntries(
  Object.keys(HOT).map((name) => [name, SOURCE.split('\n').findIndex((text) => new RegExp(`(function |override |const )${name}\\b`).test(text)) + 1]),
);

const bin = (name) => join(root, 'node_modules/.bin', name);

function tsc(folder, out, ...flags) {
  const fixed = ['--target', 'es2022', '--skipLibCheck', '--ignoreConfig', '--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  execFileSync(bin('tsc'), [join(folder, 'src/app.ts'), '--outDir', join(folder, out), ...fixed, ...flags], { stdio: ['ignore', 'inherit', 'inherit'] });
}

function esbuild(folder, out, ...flags) {
  execFileSync(bin('esbuild'), [join(folder, 'src/app.ts'), `--outfile=${join(folder, out)}`, '--platform=node', '--log-level=warning', ...flags]);
}

/**
 * Writes and compiles it in a new folder.
 *
 * @returns the folder, the original, and the compiled programs by name: `{ path, kind }`, where kind is how a scenario loads it
 */
export function transpile() {
  const folder = scratch();
  const at = (name) => join(folder, name);
  mkdirSync(at('src'));
  mkdirSync(at('out'));
  writeFileSync(at('src/app.ts'), SOURCE);
  tsc(folder, 'tsc', '--sourceMap', '--module', 'esnext');
  copyFileSync(at('tsc/app.js'), at('tsc/app.mjs'));
  tsc(folder, 'tsc-inline', '--inlineSourceMap', '--module', 'commonjs');
  copyFileSync(at('tsc-inline/app.js'), at('tsc-inline/app.cjs'));
  esbuild(folder, 'min/app.min.mjs', '--bundle', '--minify', '--sourcemap', '--format=esm');
  esbuild(folder, 'min/app.min.cjs', '--bundle', '--minify', '--sourcemap', '--format=cjs');
  esbuild(folder, 'inline/app.mjs', '--bundle', '--minify', '--sourcemap=inline', '--format=esm');
  // An inline map that is too long to be copied: padded with a source that maps nothing.
  const inline = readFileSync(at('inline/app.mjs'), 'utf8');
  const map = JSON.parse(Buffer.from(/base64,(\S+)/.exec(inline)[1], 'base64').toString());
  map.sources.push('padding');
  map.sourcesContent.push('x'.repeat(400_000));
  const long = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
  writeFileSync(at('inline/long.mjs'), inline.replace(/data:\S+/, long));
  // What is evaluated or compiled in memory: its map is nowhere else.
  esbuild(folder, 'inline/eval.js', '--bundle', '--minify', '--sourcemap=inline', '--format=iife', '--global-name=app');
  esbuild(folder, 'inline/memory.js', '--bundle', '--minify', '--sourcemap=inline', '--format=cjs');
  return {
    folder,
    original: at('src/app.ts'),
    programs: {
      'tsc, external, ESM': { path: at('tsc/app.mjs'), kind: 'import' },
      'tsc, inline, CJS': { path: at('tsc-inline/app.cjs'), kind: 'require' },
      'esbuild, minified, external, ESM': { path: at('min/app.min.mjs'), kind: 'import' },
      'esbuild, minified, external, CJS': { path: at('min/app.min.cjs'), kind: 'require' },
      'esbuild, minified, inline, ESM': { path: at('inline/app.mjs'), kind: 'import' },
      'a long inline map': { path: at('inline/long.mjs'), kind: 'import' },
      'evaluated, with a sourceURL': { path: at('inline/eval.js'), kind: 'eval' },
      'evaluated directly': { path: at('inline/eval.js'), kind: 'direct eval' },
      'compiled in memory': { path: at('inline/memory.js'), kind: 'memory', name: at('inline/app.ts') },
      'a worker thread': { path: at('min/app.min.cjs'), kind: 'worker' },
    },
  };
}
