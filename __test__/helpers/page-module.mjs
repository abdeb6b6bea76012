// A module of the page for tests without a browser: bundled as the build does it, and imported. Node has all that these modules need of one.
import { build } from 'esbuild';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './nodes.mjs';
import { scratch } from './scratch.mjs';

/** Imports several modules of page/ as one, so that they share what they share in the page. */
export async function pageModules(...names) {
  const contents = names.map((name) => `export * from './${name}.ts';`).join('\n');
  const bundle = await build({ stdin: { contents, resolveDir: join(root, 'page'), loader: 'ts' }, write: false, bundle: true, format: 'esm', target: 'node20' });
  const file = join(scratch(), 'page.mjs');
  writeFileSync(file, bundle.outputFiles[0].text);
  return import(pathToFileURL(file).href);
}
