// A program that exports continuously and really forks: while nothing is due, while a profile waits for its jitter, for its next attempt or for an answer, in the
// middle of a body, and while stop() waits. What the servers saw is the test's to judge.
import { subscribe } from 'node:diagnostics_channel';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import {
  childOnly, digest, forker, inChildOnTime, native, parentOnly, pronghorn, resetChain, rest, scenarios, settings, turn, untilSampled,
} from '../helpers/forking.mjs';
import { until } from '../helpers/held.mjs';

const { start } = pronghorn;
const { url, kind, moment, folder } = settings;

const codeOf = (promise) => promise.then(() => 'none', (error) => error.code ?? String(error));

/** Bytes that this process has written by write(2), to whatever. */
const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))[1]);

/** The sockets of this process, as the kernel names them. */
function sockets() {
  const link = (fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  };
  return readdirSync('/proc/self/fd').map(link).filter((name) => name.startsWith('socket:'));
}

/** How many timers of this process are due some time. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

/** Large enough for no socket to take it in at once. */
const LARGE = 16 << 20;
if (moment === 'body') {
  let first = true;
  subscribe('pronghorn:rotate', ({ profile }) => {
    if (first) Object.defineProperty(profile, 'data', { value: Buffer.alloc(LARGE, 'x') });
    first = false;
  });
}

// Jitters and pauses are long enough to fork in.
Math.random = () => 0.9;

const options = {
  intervalMicros: 1_000,
  exporters: [{ type: 'http', url, timeoutMs: moment === 'body' ? 3_000 : 20_000 }],
  periodMs: moment === 'wait' || moment === 'jitter' ? 1_000 : 2_000,
  stopTimeoutMs: 20_000,
  // For the large one, which waits for its second attempt beside others.
  queue: { maxBytes: 256 << 20 },
};

/** Brings the parent to where it is to fork, and returns the profiler. */
async function reach() {
  const profiler = start(options);
  untilSampled(() => profiler.stats().samples, parentOnly, { ms: 5_000 });
  const stats = () => profiler.stats().exporters.http;
  if (moment === 'wait') await rest(300);
  // Between the end of the rotation and the delivery.
  else if (moment === 'jitter') await until(() => profiler.stats().rotations === 1, 20_000);
  else {
    await profiler.rotate();
    if (moment === 'retry') await until(() => stats().failures === 1, 10_000);
    else await rest(300);
  }
  return { profiler, state: stats() };
}

await scenarios({
  async running() {
    const others = sockets();
    const { profiler, state } = await reach();
    const inherited = sockets().filter((name) => !others.includes(name));
    const child = await inChildOnTime(async () => {
      const before = written();
      await turn();
      // Whoever looks here would reset the child; the loop has done that.
      const { forked } = native().forkState();
      const wrote = written() - before;
      const open = sockets().filter((name) => inherited.includes(name));
      const began = profiler.stats();
      untilSampled(() => profiler.stats().samples, childOnly, { ms: 5_000 });
      const own = await profiler.rotate();
      // What it has rotated by itself arrives, too.
      await until(() => profiler.stats().exporters.http.exported >= 2, 20_000);
      const { rotations, exporters } = profiler.stats();
      const { parent, child: work } = digest(own);
      return { forked, wrote, open, began: began.exporters.http, sequence: own.sequence, parent, work, rotations, stats: exporters.http, pid: forker.getpid() };
    }, { kind, deadlineMs: 45_000 });
    await until(() => profiler.stats().exporters.http.exported >= 1, 30_000);
    const last = await profiler.stop();
    return { pid: forker.getpid(), state, inherited: inherited.length, child: child.value, stats: profiler.stats().exporters.http, last: last.sequence };
  },

  // The profiler is off, and nothing but the uploads goes on.
  async stopping() {
    const others = sockets();
    const profiler = start(options);
    untilSampled(() => profiler.stats().samples, parentOnly, { ms: 5_000 });
    const stopped = profiler.stop();
    await until(() => sockets().length > others.length, 10_000);
    await rest(300);
    const inherited = sockets().filter((name) => !others.includes(name));
    const waiting = profiler.stats().exporters.http.waiting;
    const child = await inChildOnTime(async () => {
      const before = written();
      await turn();
      const { forked } = native().forkState();
      const wrote = written() - before;
      const open = sockets().filter((name) => inherited.includes(name));
      const code = await codeOf(stopped);
      const { names } = resetChain();
      // Past the answer that the parent waits for.
      await rest(2_500);
      const again = start(options);
      untilSampled(() => again.stats().samples, childOnly, { ms: 5_000 });
      const last = await again.stop();
      return { forked, wrote, open, code, left: names.filter((name) => name === 'queues' || name === 'scheduler'), sequence: last.sequence, stats: again.stats().exporters.http, timers: timers() };
    }, { kind, deadlineMs: 45_000 });
    const last = await stopped;
    return { pid: forker.getpid(), waiting, inherited: inherited.length, child: { ...child.value, pid: child.pid }, stats: profiler.stats().exporters.http, last: last.sequence };
  },

  // Parent and child write into one folder.
  async files() {
    const profiler = start({ intervalMicros: 1_000, exporters: [{ type: 'file', directory: folder, maxFiles: 3 }], periodMs: 3_600_000 });
    const some = async (burn, count) => {
      for (let index = 0; index < count; index++) {
        burn(10);
        await profiler.rotate();
      }
      await until(() => profiler.stats().exporters.file.waiting === 0, 10_000);
      return profiler.stats().exporters.file;
    };
    await some(parentOnly, 2);
    const before = readdirSync(folder);
    const child = await inChildOnTime(async () => ({ stats: await some(childOnly, 3), files: readdirSync(folder), pid: forker.getpid() }), { kind });
    const stats = await some(parentOnly, 1);
    const between = readdirSync(folder);
    await profiler.stop();
    return { pid: forker.getpid(), before, child: child.value, stats, between, after: readdirSync(folder) };
  },
});
