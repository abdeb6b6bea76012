// The methods and functions that start(), rotate() and stop() call for the first time have been compiled with their module (scripts/eager.mjs), so that the event
// loop does not wait for it, and look like what they were written as.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launch } from './helpers/child.mjs';
import { majors, nodePath } from './helpers/nodes.mjs';

const PROGRAM = `
import { start } from 'pronghorn';
const profiler = start();
const of = (object, name) => Object.getOwnPropertyDescriptor(Object.getPrototypeOf(object), name);
const { rotate, stop } = profiler;
console.log(JSON.stringify([Object.keys(profiler), Object.keys(Object.getPrototypeOf(profiler)), rotate.name, stop.name, of(profiler, 'rotate').writable, of(profiler, 'rotate').configurable]));
await profiler.rotate();
await profiler.stop();`;

/** What is compiled by its first call all the same: constructors, and a few that a start calls. esbuild numbers what has the same name in two modules. */
const isExcepted = (name) => /^[A-Z]/.test(name) || EXCEPTED.has(name.replace(/\d+$/, ''));
const EXCEPTED = new Set(['fresh', 'noRotations', 'layoutProbe']);
/** Some that are called. */
const CALLED = ['startAs', '#start', 'rotate', '#rotate', '#rotated', 'track', 'settle', 'stop', '#stop', '#ended'];

/** What V8's log says of the functions of lib/core.js, in order: { what, name }. */
function readLog(text) {
  const lines = text.split('\n').map((line) => line.split(','));
  const [, script] = lines.find(([kind, , url]) => kind === 'script-details' && url?.endsWith('/dist/lib/core.js')) ?? [];
  assert.ok(script !== undefined, 'the log knows lib/core.js');
  return lines.filter(([kind, , of]) => kind === 'function' && of === script).map(([, what, , , , , , name]) => ({ what, name: name ?? '' }));
}

const POLLUTED = `
const names = ['watch', 'stats', 'rotate', '#rotate'];
for (const name of names) Object.prototype[name] = () => 'not ours';
const { start } = await import('pronghorn');
for (const name of names) delete Object.prototype[name];
const profiler = start();
const { data } = await profiler.rotate();
console.log(JSON.stringify([typeof profiler.stats().samples, data.length > 0, (await profiler.stop()).data.length > 0]));`;

for (const major of majors) {
  describe(`functions compiled early on Node ${major}`, () => {
    it(`a first start(), rotate() and stop() compile no method of ours, and no function in one (Node ${major})`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pronghorn-eager-'));
      try {
        const log = join(folder, 'v8.log');
        const flags = ['--log-function-events', `--logfile=${log}`, '--no-logfile-per-isolate'];
        const { code, stdout, stderr } = await launch(nodePath(major), [...flags, '--input-type=module', '-e', PROGRAM]).done;
        assert.equal(code, 0, stderr);
        const events = readLog(readFileSync(log, 'utf8'));
        // The application's start(), which is made anew for each copy of the package, and compiled when it is called.
        const call = events.findIndex(({ what, name }) => what === 'parse-function' && name === 'start2');
        assert.ok(call > 0, 'start() is called');
        const early = new Set(events.slice(0, call).map(({ what, name }) => what === 'interpreter' && name));
        assert.deepEqual(CALLED.filter((name) => !early.has(name)), []);
        const late = events.slice(call + 1).filter(({ what, name }) => what === 'parse-function' && !isExcepted(name));
        assert.deepEqual([...new Set(late.map(({ name }) => name))], []);
        assert.deepEqual(JSON.parse(stdout), [['options'], [], 'rotate', 'stop', true, true]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    it(`what is on Object.prototype is not taken for ours (Node ${major})`, async () => {
      const { code, stdout, stderr } = await launch(nodePath(major), ['--input-type=module', '-e', POLLUTED]).done;
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), ['number', true, true]);
    });
  });
}
