// Scripts whose maps are missing, broken, changed, or late, under several rotations.
import { execFileSync } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { start } from 'pronghorn';
import { keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const at = (name) => join(settings.out, name);
const problems = [];
subscribe('pronghorn:source-map', (problem) => problems.push(problem));

let requests = 0;
const server = createServer((_request, response) => {
  requests++;
  response.end('{}');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

/** Maps each line to the same line of `source`, less one. */
const mapOf = (source, more = {}) => JSON.stringify({ version: 3, sources: [source], names: [], mappings: `AAAA${';AACA'.repeat(9)}`, ...more });

/** Writes a script that computes on its line 4, and loads it. */
async function script(name, url) {
  const path = at(`${name}.mjs`);
  writeFileSync(path, `export function hot(ms) {\n  const end = process.cpuUsage().user / 1000 + ms;\n  let value = 1;\n  while (process.cpuUsage().user / 1000 < end) for (let index = 0; index < 50000; index++) value = (Math.imul(value, 69069) + index) | 0;\n  return value;\n}\n//# sourceMappingURL=${url}\n`);
  return (await import(pathToFileURL(path))).hot;
}

const run = {
  // Each of these is told of once, and its frames stay as they are.
  broken: async () => {
    writeFileSync(at('truncated.map'), mapOf('original.ts').slice(0, 40));
    writeFileSync(at('text.map'), '<!DOCTYPE html>');
    writeFileSync(at('version.map'), mapOf('original.ts', { version: 2 }));
    mkdirSync(at('directory.map'));
    execFileSync('mkfifo', [at('fifo.map')]);
    const urls = {
      missing: 'missing.map',
      truncated: 'truncated.map',
      text: 'text.map',
      version: 'version.map',
      directory: 'directory.map',
      fifo: 'fifo.map',
      device: '/dev/zero',
      remote: `http://127.0.0.1:${server.address().port}/a.map`,
      inline: 'data:application/json;base64,AAAA',
    };
    const scripts = [];
    for (const [name, url] of Object.entries(urls)) scripts.push(await script(name, url));
    const profiler = start(startOptions());
    const profiles = [];
    for (let round = 0; round < 3; round++) {
      for (const hot of scripts) hot(60);
      profiles.push(keep(await profiler.rotate(), `broken-${round}`));
    }
    await profiler.stop();
    return { names: Object.keys(urls), profiles };
  },
  // The map is replaced, removed, and comes back.
  changed: async () => {
    writeFileSync(at('changed.map'), mapOf('first.ts'));
    const hot = await script('changed', 'changed.map');
    const profiler = start(startOptions());
    const profiles = [];
    const round = async () => {
      hot(150);
      profiles.push(keep(await profiler.rotate(), `changed-${profiles.length}`));
    };
    await round();
    await round();
    // The same size: only the time differs.
    writeFileSync(at('changed.map'), mapOf('other.ts'));
    utimesSync(at('changed.map'), 1_000, 1_000);
    await round();
    rmSync(at('changed.map'));
    await round();
    writeFileSync(at('changed.map'), mapOf('third.ts'));
    await round();
    await profiler.stop();
    return { profiles };
  },
  // No time at all: the first rotation has generated lines, a later one has the map.
  late: async () => {
    // Of 5 MB, behind the lines that the script has: a tenth of a second of parsing.
    writeFileSync(at('late.map'), mapOf('late.ts', { mappings: `AAAA${';AACA'.repeat(9)}${`;${'AACA,'.repeat(99)}AACA`.repeat(10_000)}` }));
    const hot = await script('late', 'late.map');
    const profiler = start(startOptions());
    hot(150);
    const first = keep(await profiler.rotate(), 'late-0');
    const profiles = [{ ...first, loaded: profiler.stats().sourceMapsLoaded }];
    const deadline = performance.now() + 40_000;
    while (profiler.stats().sourceMapsLoaded === 0 && performance.now() < deadline) await rest(10);
    hot(150);
    profiles.push(keep(await profiler.rotate(), 'late-1'));
    await profiler.stop();
    return { profiles };
  },
};

const result = await run[settings.what]();
server.close();
report({ ...result, problems, requests });
