// `npm run demo`: profiles a real program, the TypeScript 5.9 compiler, while it checks a real code base, and shows what the profile says; then a
// cluster under load, as a whole.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { duration, root, run } from './steps.mjs';

const output = fileURLToPath(new URL('demo-output/', root));
const began = Date.now();

async function stage(title, work) {
  console.log(`\n▸ ${title}`);
  const start = Date.now();
  await work();
  console.log(`  (${duration(Date.now() - start)})`);
}

try {
  await stage('building the native half and the TypeScript (the first time takes a minute or two)', () =>
    run('npm', ['run', '--silent', 'build'], { quiet: true, minutes: 10 }),
  );

  // Only the profile of this run is of interest.
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  const program = ['node_modules/typescript59/lib/tsc.js', '-p', 'examples/typescript-compiler', '--diagnostics'];
  const command = ['dist/cli.js', 'run', '--output-dir', relative(fileURLToPath(root), output), '--', ...program];
  await stage(`pronghorn ${command.slice(1).join(' ')}`, () => run(process.execPath, command));

  const name = readdirSync(output).find((file) => file.endsWith('.pb.gz'));
  if (name === undefined) throw new Error(`no profile was written to ${output}`);
  const file = relative(process.cwd(), output + name);
  await stage(`pronghorn top ${file}`, () => run(process.execPath, ['dist/cli.js', 'top', file, '--count', '20']));

  const cluster = relative(process.cwd(), `${output}cluster.pb.gz`);
  const example = ['examples/cluster.mjs', '--seconds', '5', '--output-dir', relative(fileURLToPath(root), output)];
  await stage(`node ${example.join(' ')}`, () => run(process.execPath, example));
  await stage(`pronghorn top ${cluster} --by process`, () => run(process.execPath, ['dist/cli.js', 'top', cluster, '--by', 'process']));

  const page = relative(process.cwd(), `${output}compiler.html`);
  await stage(`pronghorn flame ${file} -o ${page}`, () => run(process.execPath, ['dist/cli.js', 'flame', file, '-o', page]));

  console.log(`
The profile of the compiler: ${output}${name}
          as a flame graph:  ${output}compiler.html
The profile of the cluster:  ${output}cluster.pb.gz

Look at one:
  npx pronghorn open ${file}
      flame graph and table of functions, in a browser
  go tool pprof -http=: ${file}
      flame graph, call graph and more, in a browser
  https://www.speedscope.app
      drop the file there; it stays on your machine
  npx pronghorn top ${file} --value wall --sort total
      other values, another order

All of this took ${duration(Date.now() - began)}.`);
} catch (error) {
  console.error(`\nThe demo failed: ${error.message}`);
  process.exitCode = 1;
}
