// What every script of ../scenarios starts with: its settings, the fixture addon, and ways to report and to keep profiles.
import { writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { withHook } from './test-hook.mjs';

/** What the test passed. */
export const settings = JSON.parse(process.argv[2] ?? '{}');

/** The fixture addon. */
export const fixture = settings.fixture ? createRequire(import.meta.url)(settings.fixture) : undefined;

const plain = (_key, value) => (typeof value === 'bigint' ? `${value}` : value);

/** Prints the report; BigInts become strings. */
export function report(value) {
  writeSync(1, `REPORT ${JSON.stringify(value, plain)}\n`);
}

/** Tells the test that a point is reached; works while the event loop is blocked too. */
export function say(text) {
  writeSync(1, `${text}\n`);
}

/** Writes a profile into the scratch folder, and returns what a test needs to know of it. */
export function keep(profile, name) {
  writeFileSync(join(settings.out, `${name}.pb.gz`), profile.data);
  return {
    file: join(settings.out, `${name}.pb.gz`),
    startTimeNanos: profile.startTimeNanos,
    endTimeNanos: profile.endTimeNanos,
    stats: profile.stats,
  };
}

/** Start options of a scenario, with the test-only ones. */
export function startOptions(extra = {}) {
  return withHook({ ...settings.options, ...extra }, settings.hook);
}

/** Monotonic nanoseconds. */
export const monotonic = () => Number(process.hrtime.bigint());

let sink = 1;

/** Computes for `ms` of monotonic time. */
export function burn(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end) chunk();
  return sink;
}

function chunk() {
  for (let index = 0; index < 50_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

/** Waits without blocking. */
export const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
