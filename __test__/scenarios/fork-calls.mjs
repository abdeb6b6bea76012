// Forks in the middle of the main thread's own synchronous calls into the package: at a failpoint inside a serialization, in a garbage collection inside
// start(), and where a call is about to make a thread. The child comes back into the call that its parent has made.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { asChild, childOnly, DIES_WITH_PARENT, digest, forker, native, never, outcome, ownNativeHalf, PAGES, parentOnly, pronghorn, scenarios, settings, untilSampled } from '../helpers/forking.mjs';

const { start, resetAfterFork } = pronghorn;
const api = native();
const options = { intervalMicros: 1_000 };
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** What a call comes to: a value, or an error with its code. */
function ending(call) {
  try {
    return { value: call() };
  } catch (error) {
    return { code: error.code ?? String(error) };
  }
}

const sampled = (profiler, burn) => untilSampled(() => profiler.stats().samples, burn);

/** The threads of this process but for the one that forked. */
const threadNames = () => readdirSync('/proc/self/task').filter((task) => Number(task) !== forker.gettid()).map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim());

/** What the child does after its parent's call has come back: it is reset, starts the profiler or finds it running, and shows itself. */
function prove(code) {
  const { forked } = api.forkState();
  const tasks = threadNames();
  const reset = ending(resetAfterFork);
  const after = api.forkState().forked;
  const profiler = start(options);
  sampled(profiler, childOnly);
  const profile = profiler.stopSync();
  const { names, threads } = digest(profile);
  return { code, forked, tasks, reset, after, names, own: threads.every((thread) => thread === forker.gettid()), sequence: profile.sequence };
}

/** Forks in the middle of `call`, where `arm` has said, and returns what parent and child have. */
async function forkIn(call, kind, arm) {
  forker.armFork(kind, PAGES | DIES_WITH_PARENT);
  arm();
  const end = ending(call);
  const pid = forker.lastFork();
  if (pid === undefined || pid < 0) throw new Error(`no fork: ${pid}, ${end.code}`);
  if (pid === 0) {
    if (forker.loopFork() !== 0) throw new Error('uv_loop_fork failed');
    await never(asChild(() => prove(end.code ?? 'none')));
  }
  return { child: (await outcome(pid)).value, end };
}

const moments = ['rotation', 'mid-ready', 'mid-flip', 'symbolizer', 'mid-serialize'];
const kinds = ['fork', '_Fork', 'clone'];

await scenarios({
  // At every place that a serialization on this thread passes.
  async serializing() {
    const results = [];
    let turns = 0;
    for (const name of ['stopSync', 'rotateSync']) {
      for (const moment of moments) {
        const kind = kinds[turns++ % kinds.length];
        const profiler = start(options);
        sampled(profiler, parentOnly);
        const call = name === 'stopSync' ? () => profiler.stopSync() : () => api.rotateSync();
        const { child, end } = await forkIn(call, kind, () => api.failpointCall(moment, forker.forkFunctionAddress()));
        const parent = end.code ?? digest(end.value).names;
        if (name === 'rotateSync') {
          sampled(profiler, parentOnly);
          profiler.stopSync();
        }
        results.push({ name, moment, kind, child, parent });
      }
    }
    return { results, gaveUp: api.failpointGaveUp() };
  },

  // While start() proves V8's frames on a JavaScript function, which here collects garbage before or after the look at its frame.
  async starting() {
    const original = ownNativeHalf.start;
    let phase;
    /** Armed here and not before the call: a collection that V8 makes by itself would fork before start() has come so far. */
    const forkInCollection = () => {
      forker.forkInGc(phase);
      collect();
    };
    const probes = {
      before: function layoutProbe(callback) {
        forkInCollection();
        return callback();
      },
      after: function layoutProbe(callback) {
        const result = callback();
        forkInCollection();
        return result;
      },
    };
    const results = [];
    let turns = 0;
    for (const when of ['before', 'after']) {
      ownNativeHalf.start = (given, _probe, ...rest) => original(given, probes[when], ...rest);
      for (const kind of kinds) {
        phase = turns++ % 2 === 0 ? 'prologue' : 'epilogue';
        let profiler;
        const { child, end } = await forkIn(
          () => (profiler = start(options)),
          kind,
          () => undefined,
        );
        sampled(profiler, parentOnly);
        results.push({ when, kind, phase, child, parent: end.code ?? digest(profiler.stopSync()).names });
      }
    }
    return results;
  },

  // Where a thread of ours is about to be made, and a signal handler of the host's may fork just before.
  async making() {
    const arm = () => api.failpointCall('making-thread', forker.forkFunctionAddress());
    const hot = await mappedScript();
    const results = [];
    let profiler;
    const thread = async (name, call) => {
      const { child, end } = await forkIn(call, settings.kind, arm);
      results.push({ name, child, end: end.code ?? 'done', made: threadNames().includes(name) });
    };
    await thread('pronghorn', () => (profiler = start(options)));
    sampled(profiler, parentOnly);
    await thread('pronghorn-end', () => api.armTermination({ signals: [15], path: join(settings.out, 'last.pb.gz') }));
    api.disarmTermination();
    hot(100);
    // Here it would have ended by the time that the child has.
    api.failpointHold('loading-map');
    await thread('pronghorn-maps', () => api.rotateSync());
    api.failpointRelease('loading-map');
    const gaveUp = api.failpointGaveUp();
    await profiler.stop();
    return { results, gaveUp };
  },
});

/** A script of which so much is mapped that loading the map takes a while: a thread that does is seen. */
async function mappedScript() {
  const path = join(settings.out, 'mapped.mjs');
  const map = { version: 3, sources: ['mapped.ts'], names: [], mappings: `AAAA${';AACA'.repeat(9)};AACA${',CAAA'.repeat(2_000_000)}` };
  writeFileSync(`${path}.map`, JSON.stringify(map));
  writeFileSync(path, `export function hot(ms) {\n  const end = process.cpuUsage().user / 1000 + ms;\n  let value = 1;\n  while (process.cpuUsage().user / 1000 < end) for (let index = 0; index < 50000; index++) value = (Math.imul(value, 69069) + index) | 0;\n  return value;\n}\n//# sourceMappingURL=mapped.mjs.map\n`);
  return (await import(pathToFileURL(path))).hot;
}
