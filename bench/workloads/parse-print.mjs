// A build tool's work: Babel parses a large file of JavaScript into objects and prints it again.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const TIMES = 1;

export async function prepare({ quick }) {
  const require = createRequire(new URL('../peers/package.json', import.meta.url));
  const { parse } = require('@babel/parser');
  const { generate } = require('@babel/generator');
  const compiler = new URL(`../../node_modules/typescript59/lib/${quick ? '_typingsInstaller' : '_tsc'}.js`, import.meta.url);
  const text = readFileSync(compiler, 'utf8');
  return {
    async run() {
      for (let time = 0; time < TIMES; time++) {
        const { code } = generate(parse(text, { sourceType: 'script' }), {}, text);
        if (code.length < text.length / 2) throw new Error('half of the file is missing');
      }
      return TIMES;
    },
  };
}
