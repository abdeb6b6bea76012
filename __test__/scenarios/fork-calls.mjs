// Forks in the middle of the main thread's own synchronous calls into the package: at a failpoint inside a serialization, and in a garbage
// collection inside start(). The child comes back into the call that its parent has made.
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { asChild, childOnly, DIES_WITH_PARENT, digest, forker, native, never, outcome, ownNativeHalf, PAGES, parentOnly, pronghorn, scenarios, untilSampled } from '../helpers/forking.mjs';

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

/** What the child does after its parent's call has come back: it is reset, starts the profiler or finds it running, and shows itself. */
function prove(code) {
  const { forked } = api.forkState();
  const reset = ending(resetAfterFork);
  const after = api.forkState().forked;
  const profiler = start(options);
  sampled(profiler, childOnly);
  const profile = profiler.stopSync();
  const { names, threads } = digest(profile);
  return { code, forked, reset, after, names, own: threads.every((thread) => thread === forker.gettid()), sequence: profile.sequence };
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
      ownNativeHalf.start = (settings, _probe, ...rest) => original(settings, probes[when], ...rest);
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
});
