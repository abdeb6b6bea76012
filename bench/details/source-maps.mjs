// What source maps cost: a program of 3.6 MB on one line with a map of 5 MB (the TypeScript compiler, minified) is profiled while it works.
//   node bench/details/source-maps.mjs [RUNS]         all four Node majors; 5 runs with source maps and 5 without, in turns
//   PRONGHORN_TEST_MAJORS=24 …                one of them
// Prints; nothing fails here. Of each figure the least of all runs: whatever else the machine does makes it larger. The loader's time is CPU time.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { majors, nodePath, root } from '../../__test__/helpers/nodes.mjs';

const runs = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'pronghorn-bench-'));
const program = fileURLToPath(new URL('source-maps-program.mjs', import.meta.url));

const ms = (value) => `${value.toFixed(2)} ms`;
const least = (rows, figure) => ms(Math.min(...rows.map(figure)));

function shown(all) {
  const first = all.map((rows) => rows[0]);
  const later = all.flatMap((rows) => rows.slice(1));
  const last = all.map((rows) => rows.at(-1));
  const { stats, bytes } = last[0];
  const loader = stats.sourceMapsLoaded === 0 ? '' : `loader ${least(last, (row) => row.stats.sourceMapMaxNanos / 1e6)} for one map, ${(stats.sourceMapBytes / 1e6).toFixed(1)} MB kept; `;
  return (
    `${loader}main thread: longest resolving ${least(last, (row) => row.stats.resolveMaxNanos / 1e6)}, all ${least(last, (row) => row.stats.resolveNanos / 1e6)}, ` +
    `rotate() ${least(first, (row) => row.callMs)} and later ${least(later, (row) => row.callMs)}, its timers late by ${least(first, (row) => row.delayMs)} and later ${least(later, (row) => row.delayMs)}; ` +
    `rotation ${least(first, (row) => row.rotationMs)} and later ${least(later, (row) => row.rotationMs)}; ${bytes} bytes`
  );
}

try {
  const js = join(folder, 'typescript.cjs');
  const flags = ['--minify', '--sourcemap', '--sources-content=false', '--platform=node', '--log-level=error'];
  execFileSync(join(root, 'node_modules/.bin/esbuild'), [join(root, 'node_modules/typescript59/lib/typescript.js'), `--outfile=${js}`, ...flags]);
  console.log(`a map of ${(statSync(`${js}.map`).size / 1e6).toFixed(1)} MB, ${runs} runs`);
  for (const major of majors) {
    const all = { true: [], false: [] };
    for (let run = 0; run < runs; run++) {
      for (const sourceMaps of ['true', 'false']) {
        all[sourceMaps].push(JSON.parse(execFileSync(nodePath(major), [program, js, sourceMaps], { encoding: 'utf8', timeout: 120_000 })));
      }
    }
    console.log(`Node ${major}, with maps: ${shown(all.true)}`);
    console.log(`Node ${major}, without:   ${shown(all.false)}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
