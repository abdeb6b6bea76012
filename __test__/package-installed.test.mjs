// The packages, installed from their tarballs as users install them, profile from every door on every Node.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { runOk } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { installed } from './helpers/packages.mjs';
import { describe as stacks, has, readProfile, share, total } from './helpers/pprof.mjs';

let folder;

before(async () => {
  folder = await installed();
  cpSync(join(root, '__test__/installed-apps'), folder, { recursive: true });
});

const profileOf = (name) => join(folder, name);

/** Runs a program in the folder of the installation, with nothing of the checkout in reach. */
const runs = (major, args, env = {}) => runOk(nodePath(major), args, { cwd: folder, env: { NODE_PATH: undefined, NODE_OPTIONS: undefined, ...env }, deadlineMs: 30_000 });

/** The profile shows the function that computes, with its file and a line. */
function showsBurn(samples, file) {
  // It computes for 200 ms, in however many samples a busy machine takes them.
  assert.ok(total(samples, 'cpu') > 100e6, stacks(samples));
  assert.ok(share(samples, 'cpu', has('burn')) > 0.5, stacks(samples));
  const frame = samples.flatMap(({ stack }) => stack).find(({ name }) => name === 'burn');
  assert.ok(frame.file.endsWith(`/${file}`), frame.file);
  assert.ok(frame.line > 0);
}

it('nothing is installed but the two packages, and nothing of the sources', () => {
  assert.deepEqual(readdirSync(join(folder, 'node_modules')).sort(), ['.bin', '.package-lock.json', 'pronghorn', 'pronghorn-linux-x64-gnu']);
  const own = join(folder, 'node_modules/pronghorn');
  assert.deepEqual(readdirSync(own).sort(), ['LICENSE', 'README.md', 'dist', 'package.json']);
  const { dependencies, devDependencies, scripts, optionalDependencies, version } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
  assert.deepEqual([dependencies, devDependencies, scripts], [undefined, undefined, undefined]);
  assert.deepEqual(optionalDependencies, { 'pronghorn-linux-x64-gnu': version });
});

it('TypeScript compiles against the published declarations, strictly', async () => {
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2023'];
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  await runOk(process.execPath, [...tsc, ...types, 'typescript.mts'], { cwd: folder, deadlineMs: 60_000 });
  assert.ok(readdirSync(folder).includes('typescript.mjs'));
});

for (const major of majors) {
  describe(`installed, on Node ${major}`, () => {
    for (const [door, program, file] of [
      ['an ES module', 'esm.mjs', 'burn.mjs'],
      ['CommonJS', 'commonjs.cjs', 'commonjs.cjs'],
      ['compiled TypeScript', 'typescript.mjs', 'typescript.mjs'],
      ['a worker', 'worker.mjs', 'burn.mjs'],
    ]) {
      it(`it profiles from ${door} (Node ${major})`, async () => {
        const output = profileOf(`${program}.${major}.pb.gz`);
        const { stderr } = await runs(major, [program, output]);
        assert.equal(stderr, '');
        const { samples } = readProfile(output);
        showsBurn(samples, file);
        if (door === 'a worker') assert.ok(samples.filter(has('burn')).every((sample) => sample.threadName !== 'main'));
        if (door === 'compiled TypeScript') assert.ok(samples.filter(has('burn')).every((sample) => sample.labels.route === '/typed'));
      });
    }

    // Node 20 runs no TypeScript by itself.
    it(`it profiles from TypeScript as it stands (Node ${major})`, { skip: major < 22 }, async () => {
      const output = profileOf(`typescript.mts.${major}.pb.gz`);
      await runs(major, ['--disable-warning=ExperimentalWarning', 'typescript.mts', output]);
      showsBurn(readProfile(output).samples, 'typescript.mts');
    });

    for (const format of ['esm', 'cjs']) {
      it(`it profiles from a bundle that leaves it out (esbuild, ${format}, Node ${major})`, async () => {
        const entry = format === 'esm' ? 'esm.mjs' : 'commonjs.cjs';
        const bundle = `bundle.${major}.${format === 'esm' ? 'mjs' : 'cjs'}`;
        await build({ absWorkingDir: folder, entryPoints: [entry], outfile: bundle, bundle: true, platform: 'node', format, external: ['pronghorn'], logLevel: 'warning' });
        const output = profileOf(`${bundle}.pb.gz`);
        await runs(major, [bundle, output]);
        showsBurn(readProfile(output).samples, bundle);
      });
    }

    it(`it profiles under Node's permission model, with what docs/install.md says it needs (Node ${major})`, async () => {
      const output = profileOf(`permission.${major}`);
      mkdirSync(output);
      const permission = major === 20 ? '--experimental-permission' : '--permission';
      const reads = ['node_modules/pronghorn/*', 'node_modules/pronghorn-linux-x64-gnu/*', 'esm.mjs', 'burn.mjs'];
      const program = reads.slice(2).map((name) => `--allow-fs-read=${join(folder, name)}`);
      const packages = reads.slice(0, 2).map((name) => `--allow-fs-read=${join(folder, name)}`);
      const file = join(output, 'esm.pb.gz');
      await runs(major, [permission, '--allow-addons', ...program, ...packages, `--allow-fs-read=${output}/*`, `--allow-fs-write=${output}/*`, 'esm.mjs', file]);
      showsBurn(readProfile(file).samples, 'burn.mjs');
      // Without the native half, or leave to load it: the import is none that throws.
      const missing = ['--input-type=module', '-e', "import { start } from 'pronghorn'; try { start() } catch ({ code, message }) { console.log(code, message) }"];
      for (const [flags, reason] of [
        [[...packages], /--allow-addons/],
        [['--allow-addons', packages[0]], /--allow-fs-read/],
      ]) {
        const { stdout } = await runs(major, [permission, ...flags, ...missing]);
        assert.match(stdout, /^ERR_PRONGHORN_UNSUPPORTED_RUNTIME /);
        assert.match(stdout, reason);
      }
    });

    it(`it profiles a cluster (Node ${major})`, async () => {
      const output = profileOf(`cluster.${major}.pb.gz`);
      await runs(major, ['cluster.mjs', output]);
      const ofWorker = readProfile(output).samples.filter((sample) => sample.labels['cluster worker id'] === 1n);
      showsBurn(ofWorker, 'burn.mjs');
    });

    it(`--import pronghorn/register profiles a whole program (Node ${major})`, async () => {
      const output = profileOf(`register.${major}`);
      await runs(major, ['--import', 'pronghorn/register', 'register.mjs'], { PRONGHORN_OUTPUT_DIR: output, PRONGHORN_INTERVAL_MICROS: '1000' });
      showsBurn(readProfile(join(output, readdirSync(output)[0])).samples, 'burn.mjs');
    });

    it(`the command runs, shows and draws (Node ${major})`, async () => {
      const command = 'node_modules/.bin/pronghorn';
      const output = profileOf(`command.${major}`);
      await runs(major, [command, 'run', '--interval-micros', '1000', '--output-dir', output, '--', 'register.mjs']);
      const file = join(output, readdirSync(output)[0]);
      showsBurn(readProfile(file).samples, 'burn.mjs');
      assert.match((await runs(major, [command, 'top', file])).stdout, /burn/);
      assert.match((await runs(major, [command, 'flame', '-o', '-', file])).stdout, /^<!doctype html>/);
      assert.match((await runs(major, [command, '--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
    });
  });
}
