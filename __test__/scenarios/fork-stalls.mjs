// Stalls across a fork: the parent forks in the middle of a turn that has been reported, or is being, and the child blocks for itself.
import { subscribe } from 'node:diagnostics_channel';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { nap, until, untilHeld } from '../helpers/held.mjs';
import { forker, inChild, inChildOnTime, native, pronghorn, rest, scenarios, settings, turn } from '../helpers/forking.mjs';

const { start } = pronghorn;
const log = join(settings.out, 'stalls.log');
const options = { stallThresholdMs: 200, stallOutput: log };

let messages = [];
subscribe('pronghorn:stall', ({ pid, durationMs, frames }) => messages.push({ pid, durationMs, names: frames.map((frame) => frame.function) }));

function parentBlocks(ms) {
  nap(ms);
}

function childBlocks(ms) {
  nap(ms);
}

/** The first lines of the reports about this process. */
function reports() {
  const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
  return text.split('\n').filter((line) => line.startsWith('pronghorn: ') && line.includes(` process ${forker.getpid()} `));
}

/** How often this process has the file open. */
function open() {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === log;
    } catch {
      return false;
    }
  }).length;
}

/** In the parent, in a turn of the loop that has lasted for long, once `reported` is so. */
const inStall = (reported, then) =>
  new Promise((resolve, reject) => {
    setTimeout(() => {
      const end = performance.now() + 10_000;
      do parentBlocks(300);
      while (!reported() && performance.now() < end);
      then().then(resolve, reject);
    }, 10);
  });

const seen = (profiler) => {
  const { stalls, stallReports } = profiler.stats();
  return { pid: forker.getpid(), messages, reports: reports(), stalls, stallReports, open: open() };
};

const child = (profiler) => async () => {
  messages = [];
  await turn();
  const openAtFirst = open();
  await rest(50);
  const early = messages.length + reports().length;
  setTimeout(childBlocks, 10, 700);
  // One that stays off has nothing to wait for.
  const patience = profiler === undefined ? 1_000 : 5_000;
  await until(() => messages.length > 0 && reports().length > 0, patience);
  return { ...(profiler === undefined ? { messages, reports: reports() } : seen(profiler)), early, open: openAtFirst };
};

async function stopped(profiler, result) {
  // What the parent is told comes before its loop next polls.
  await until(() => messages.length > 0 && profiler.stats().stallReports > 0, 3_000);
  const parent = { ...seen(profiler), ...result.parent };
  await profiler.stop();
  return { parent, child: result.child };
}

await scenarios({
  async middle() {
    const profiler = start(options);
    await rest(20);
    // A report has just been written, by a thread that ends: our ticker is about to look who is there, and a fork without handlers may find it there.
    const value = await inStall(() => reports().length > 0, () => inChildOnTime(child(profiler), { kind: settings.kind }));
    return stopped(profiler, { child: value.value });
  },
  async written() {
    const profiler = start(options);
    await rest(20);
    native().failpointHold('stall-report');
    const value = await inStall(
      () => native().failpointIsHeld('stall-report'),
      async () => {
        untilHeld('stall-report');
        const held = open();
        // The child's writers are not to wait for somebody who is not there.
        const forked = inChild(() => {
          native().failpointRelease('stall-report');
          return child(profiler)();
        });
        native().failpointRelease('stall-report');
        return { child: (await forked).value, held };
      },
    );
    return stopped(profiler, { child: value.child, parent: { open: value.held } });
  },
  async off() {
    const profiler = start({ ...options, afterFork: 'stop' });
    await rest(20);
    const value = await inStall(() => reports().length > 0, () => inChild(child()));
    return stopped(profiler, { child: value.value });
  },
});
