// Builds the page of `pronghorn flame`: one HTML file, with the bundled script and style in it, and two places for what the command puts in. It is
// published compressed, dist/flame.html.gz: 44 KB instead of 114. Beside it dist/flame.LICENCES.txt has the licences of the libraries in the
// bundle; the page carries them, too. The licence that the package itself has, 11 KB, is in the package once.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { root } from './steps.mjs';

/** How every page begins; lib/flame/page.ts knows a page of ours by it. */
const START = '<!doctype html>\n<html lang="en" data-made-by="pronghorn-flame">';

/**
 * @param {string} dist the folder to write to
 * @returns {Promise<string[]>} the files that were written
 */
export async function buildPage(dist) {
  const base = fileURLToPath(root);
  const bundle = await build({
    absWorkingDir: base,
    entryPoints: ['page/main.ts', 'page/page.css'],
    outdir: dist,
    write: false,
    bundle: true,
    minify: true,
    metafile: true,
    legalComments: 'none',
    format: 'iife',
    target: ['chrome123', 'firefox120', 'safari17.5'],
    charset: 'utf8',
    logLevel: 'warning',
  });
  const output = (name) => bundle.outputFiles.find((file) => file.path.endsWith(`/${name}`)).text.trim();
  const script = inElement(output('main.js'), 'script');
  // Ours comes last, so that it overrides the library's own.
  const style = inElement(`${output('main.css')}\n${output('page.css')}`, 'style');
  const inputs = Object.keys(bundle.metafile.inputs);
  const licences = licencesOf(inputs, base, (text) => text);
  const own = readFileSync(join(base, 'LICENSE'), 'utf8');
  const inPackage = licencesOf(inputs, base, (text) => (words(text) === words(own) ? 'See LICENSE in this package: its text is the same.' : text));
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const html = `${START}
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${policy}">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{{title}}</title>
<style>${style}</style>
</head>
<body>
${readFileSync(join(base, 'page/page.html'), 'utf8').trim()}
<script type="application/octet-stream" id="profile-data">{{data}}</script>
<script type="application/octet-stream" id="licence-data">${gzipSync(licences, { level: 9 }).toString('base64')}</script>
<script>${script}</script>
</body>
</html>
`;
  const files = { 'flame.html.gz': gzipSync(html, { level: 9 }), 'flame.LICENCES.txt': inPackage };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dist, name), text);
  return Object.keys(files).map((name) => join(dist, name));
}

/** What stands inside an element; nothing in it may look like the element's end. */
function inElement(text, element) {
  if (new RegExp(`</${element}|<!--`, 'i').test(text)) throw new Error(`the bundle cannot stand in a ${element} element`);
  return text;
}

function hashOf(text) {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** What a licence says, however it is laid out; the places that a form leaves open have brackets of two kinds. */
const words = (text) => text.replaceAll(/[{}[\]]/g, '').split(/\s+/).filter(Boolean).join(' ');

/** The licence of every package that has files in the bundle, each text once, as `show` shows it; a package without one must not be in it. */
function licencesOf(inputs, base, show) {
  const folders = new Set(inputs.map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  const packagesOf = new Map();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(readFileSync(join(base, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(base, folder)).find((each) => /^(licen[cs]e|copying)/i.test(each));
    if (file === undefined || !existsSync(join(base, folder, file))) throw new Error(`${name} has no licence text`);
    const text = readFileSync(join(base, folder, file), 'utf8').trim();
    packagesOf.set(text, [...(packagesOf.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const texts = [...packagesOf].map(([text, packages]) => `${packages.join('\n')}\n\n${show(text)}\n`);
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}
