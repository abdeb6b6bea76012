// Joins what runs in the program of a user: lib/core.js, an ES module with what every program needs, and the parts that are loaded on demand
// (lib/on-demand.ts), one CommonJS file each. A part has no copy of what is in the core: it is a function of that, `(core) => exports`.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { withEagerFunctions } from './eager.mjs';

const CORE = 'lib/core.js';
/** Entry and published file of each part; the names are those in lib/on-demand.ts. */
const PARTS = [
  ['lib/export/part.js', 'lib/exporting.cjs'],
  ['lib/cluster/part.js', 'lib/cluster.cjs'],
  ['lib/whole-program.js', 'lib/register.cjs'],
];
/** What may be in several parts: it is small, and keeps nothing. */
const STATELESS = new Set(['certificates', 'check', 'otel', 'secrets'].map((name) => `lib/export/${name}.js`).concat('lib/pprof/protobuf.js', 'lib/termination.js'));

/** What is published of it. */
export const PUBLISHED = [CORE, ...PARTS.map(([, file]) => file)];

const OPTIONS = { bundle: true, platform: 'node', target: 'node20.19', minifyWhitespace: true, minifySyntax: true, logLevel: 'warning' };
const IMPORT = /^import (\{[^}]*\}) from '(\.[^']+)';$/gm;

/**
 * Node's modules come by process.getBuiltinModule(). An import would make an ES module of each first, which looks at every getter of fs and util, and so
 * loads streams, fs/promises, readline and the REPL's history: 2 to 5 ms and 0.7 to 1.6 MB.
 */
function byCall(source) {
  return source.replace(/^import (\{[^}]*\}) from '(node:[a-z_/]+)';$/gm, (_statement, names, module) => {
    return `const ${names.replaceAll(' as ', ': ')} = process.getBuiltinModule('${module}');`;
  });
}

/** Reads the modules of build/ so; `change` gets the source of each. */
function reading(emitted, change = (source) => source) {
  const read = (path) => change(byCall(withEagerFunctions(readFileSync(path, 'utf8'), relative(emitted, path))), path);
  return {
    name: 'modules of build/',
    setup(esbuild) {
      esbuild.onLoad({ filter: /\.js$/ }, ({ path }) => ({ contents: read(path), resolveDir: dirname(path) }));
      esbuild.onResolve({ filter: /^node:/ }, ({ path, importer }) => ({ errors: [{ text: `${importer} imports ${path} in a way that is not made a call` }] }));
    },
  };
}

/**
 * @param {string} emitted the folder of modules
 * @param {string} dist where to
 */
export async function joinCore(emitted, dist) {
  const inCore = new Set(await inputsOf(emitted, CORE, reading(emitted)));
  /** @type {Map<string, Set<string>>} what parts use of the core's modules */
  const shared = new Map();
  const owners = new Map();
  for (const [entry, file] of PARTS) {
    if (inCore.has(entry)) throw new Error(`${entry} is in ${CORE} too: something there imports what it is to load on demand`);
    const inputs = await joinPart(emitted, dist, { entry, file, inCore, shared });
    for (const input of inputs) {
      if (owners.has(input) && !STATELESS.has(input)) throw new Error(`${input} would be in ${owners.get(input)} and in ${file}, and keep its state twice`);
      owners.set(input, file);
    }
  }
  await build({ ...OPTIONS, stdin: { contents: coreWith(shared), resolveDir: emitted, sourcefile: 'core' }, outfile: join(dist, CORE), format: 'esm', plugins: [reading(emitted, loadsParts(emitted))] });
}

async function inputsOf(emitted, entry, plugin) {
  const { metafile } = await build({ ...OPTIONS, entryPoints: [join(emitted, entry)], absWorkingDir: emitted, format: 'esm', write: false, metafile: true, plugins: [plugin] });
  return Object.keys(metafile.inputs);
}

/** Where a module of build/ imports from one of the core's, the names are taken out of what the core hands over. */
async function joinPart(emitted, dist, { entry, file, inCore, shared }) {
  const fromCore = (source, path) =>
    source.replace(IMPORT, (statement, names, from) => {
      const module = relative(emitted, join(dirname(path), from));
      if (!inCore.has(module)) return statement;
      const used = shared.get(module) ?? shared.set(module, new Set()).get(module);
      for (const name of names.slice(1, -1).split(',')) used.add(name.trim().split(' as ')[0]);
      return `const ${names.replaceAll(' as ', ': ')} = core;`;
    });
  const { metafile } = await build({
    ...OPTIONS,
    entryPoints: [join(emitted, entry)],
    absWorkingDir: emitted,
    outfile: join(dist, file),
    format: 'iife',
    globalName: 'part',
    metafile: true,
    banner: { js: 'module.exports=(core)=>{' },
    footer: { js: 'return part}' },
    plugins: [reading(emitted, fromCore)],
  });
  const inputs = Object.keys(metafile.inputs);
  const both = inputs.filter((input) => inCore.has(input));
  if (both.length > 0) throw new Error(`${file} has a copy of what is in ${CORE}: ${both.join(', ')}`);
  return inputs;
}

/** The core's own exports, and beside them, for the parts, what these use of it. */
function coreWith(shared) {
  const imports = [...shared].map(([module, names]) => `import { ${[...names].join(', ')} } from './${module}';`);
  const all = [...shared.values()].flatMap((names) => Array.from(names));
  const twice = all.find((name, index) => all.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two modules of the core export ${twice} to its parts`);
  return [...imports, "import { share } from './lib/on-demand.js';", `share({ ${all.join(', ')} });`, `export * from './${CORE}';`].join('\n');
}

/** lib/on-demand.js with the published files. */
function loadsParts(emitted) {
  return (source, path) => {
    if (path !== join(emitted, 'lib/on-demand.js')) return source;
    let changed = source;
    for (const [entry, file] of PARTS) changed = changed.replace(`'./${relative('lib', entry)}'`, `'./${relative('lib', file)}'`);
    if (PARTS.some(([, file]) => !changed.includes(`'./${relative('lib', file)}'`))) throw new Error('lib/on-demand.ts does not load its parts as scripts/parts.mjs expects');
    return changed;
  };
}
