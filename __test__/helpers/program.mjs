// The frame around every small program with a known answer (see ../programs). A program file defines its functions and
// ends in `export const truth = program(import.meta, {...})`. Imported by a test it only describes itself; started as
// the main script it profiles itself and writes profile and figures into a folder.
//
// While it works, the stack of the JavaScript thread is, from the root: processImmediate (Node's), enter, drive, then the
// program's entry and what the program's markers allow. Markers are comments in the program's source:
//   @fn NAME      the function NAME starts on this line         @end NAME     … and ends on this one
//   @call A>B     A calls B on this line; "*" on either side stands for a function of another file, or for the loop
//   @hot NAME     the line of NAME that does the work
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Describes a program, and runs it when `meta` is that of the main script.
 *
 * `entry`: the function that is called again and again; a call takes a few milliseconds. `flags`: V8 flags it needs.
 * `isAsync`: `entry` returns a promise. `asyncRoots`: functions that may be the outermost frame, after an await.
 * `prepare(context)`: called once before profiling; `context.fixture` is the addon. `ms`: how long it works.
 * `options`: start options. `check(profile, run, assert)`: what is true of this program besides the general rules.
 * `leaf: { name, share }`: the function that holds at least that share of the samples as innermost JavaScript function.
 */
export function program(meta, description) {
  const file = fileURLToPath(meta.url);
  const truth = { flags: [], asyncRoots: [], ms: 700, options: {}, ...description, file, name: file.replace(/^.*\/|\.mjs$/g, '') };
  truth.markers = readMarkers(file);
  if (process.argv[1] === file) main(truth);
  return truth;
}

/** Reads the markers of a source file. */
export function readMarkers(file) {
  const functions = [];
  const calls = new Map();
  const hot = new Map();
  const add = (map, key, line) => map.set(key, [...(map.get(key) ?? []), line]);
  for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    const line = index + 1;
    // A line that is all comment only talks about markers.
    if (text.trimStart().startsWith('//')) continue;
    for (const [, kind, value] of text.slice(text.indexOf('//')).matchAll(/@(fn|end|call|hot) ([^@]+)/g)) {
      const name = value.trim();
      if (kind === 'fn') functions.push({ name, start: line, end: line });
      if (kind === 'end') functions.findLast((fn) => fn.name === name).end = line;
      if (kind === 'call') add(calls, name, line);
      if (kind === 'hot') add(hot, name, line);
    }
  }
  return { functions, calls, hot };
}

async function main(truth) { // @fn main
  const settings = JSON.parse(process.argv[2]);
  const context = { fixture: settings.fixture && loadAddon(settings.fixture), out: settings.out };
  await truth.prepare?.(context);
  const { start } = settings.plain ? { start: () => undefined } : await import('pronghorn');
  const options = settings.hook ? (await import('./test-hook.mjs')).withHook(settings.options, settings.hook) : settings.options;

  const figures = { before: now(context) };
  const profiler = await start(options);
  if (truth.isAsync) await driveAsync(truth.entry, settings.ms);
  else await new Promise((resolve, reject) => setImmediate(enter, truth.entry, settings.ms, context, figures, resolve, reject));
  if (profiler === undefined) return;
  const capabilities = profiler.capabilities;
  const profile = await profiler.stop();
  figures.after = now(context);
  writeFileSync(join(settings.out, 'profile.pb.gz'), profile.data);
  const extra = truth.extra?.(context);
  writeFileSync(
    join(settings.out, 'result.json'),
    JSON.stringify({ figures, capabilities, stats: profile.stats, extra, startTime: profile.startTime, endTime: profile.endTime }, plainNumber),
  );
} // @end main

function enter(entry, ms, context, figures, resolve, reject) { // @fn enter
  try {
    figures.enter = now(context);
    drive(entry, Date.now() + ms);
    figures.leave = now(context);
    resolve();
  } catch (error) {
    reject(error);
  }
} // @end enter

function drive(entry, end) { // @fn drive
  while (Date.now() < end) entry(); // @call drive>*
} // @end drive

async function driveAsync(entry, ms) { // @fn driveAsync
  const end = Date.now() + ms;
  while (Date.now() < end) await entry(); // @call driveAsync>*
} // @end driveAsync

const plainNumber = (_key, value) => (typeof value === 'bigint' ? Number(value) : value);

function now(context) {
  return { monotonic: Number(process.hrtime.bigint()), cpu: context.fixture?.threadCpuNanos() };
}

/** Loads a native addon by path, whatever its file is called. */
export function loadAddon(path) {
  return createRequire(import.meta.url)(path);
}
