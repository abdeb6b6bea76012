// Runs transpiled programs, each under a profile of its own.
import { readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';
import { keep, report, settings, startOptions } from '../helpers/scenario.mjs';

const require = createRequire(import.meta.url);

/** Runs a program for so long. */
const RUN = {
  import: async ({ path }, ms) => (await import(pathToFileURL(path))).burn(ms),
  require: ({ path }, ms) => require(path).burn(ms),
  eval: ({ path }, ms) => {
    // The name is where it might lie.
    vm.runInThisContext(`${readFileSync(path, 'utf8')}//# sourceURL=${join(dirname(path), 'evaluated.js')}\n`);
    return globalThis.app.burn(ms);
  },
  'direct eval': ({ path }, ms) => {
    // oxlint-disable-next-line no-eval -- evaluated code is what this is about
    const burn = eval(`${readFileSync(path, 'utf8')}//# sourceURL=${join(dirname(path), 'direct.js')}\n; app.burn`);
    return burn(ms);
  },
  memory: ({ path, name }, ms) => {
    const module = new Module(name);
    // oxlint-disable-next-line no-underscore-dangle -- what loaders that transpile in memory call
    module._compile(readFileSync(path, 'utf8'), name);
    return module.exports.burn(ms);
  },
  worker: async ({ path }, ms) => {
    const worker = new Worker(`require(${JSON.stringify(path)}).burn(${ms})`, { eval: true });
    await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  },
};

const profiles = {};
for (const [name, program] of Object.entries(settings.programs)) {
  const profiler = start(startOptions());
  await RUN[program.kind](program, settings.ms);
  profiles[name] = keep(await profiler.stop(), name);
}
report({ profiles });
