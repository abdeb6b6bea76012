// Bad input and bad luck against the public API: one function per case; most end in an error whose code is reported.
import { createRequire } from 'node:module';
import * as pronghorn from 'pronghorn';
import { burn, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { TEST_OPTIONS } from '../helpers/test-hook.mjs';

async function outcome(action) {
  try {
    const value = await action();
    return { value: value === undefined ? 'undefined' : typeof value };
  } catch (error) {
    return { code: error.code, name: error.name, message: error.message, isError: error instanceof Error, startedBy: error.startedBy };
  }
}

const cases = {
  // Values that JSON cannot carry come as source text.
  async options() {
    const results = [];
    for (const text of settings.list) {
      const options = new Function(`return (${text})`)();
      results.push({ text, ...(await outcome(() => pronghorn.start(options))), ...(await outcomeOfStop()) });
    }
    return { results };
  },
  async stopWithoutStart() {
    const before = await outcome(() => pronghorn.stop());
    const profiler = await pronghorn.start(startOptions());
    burn(50);
    const first = await profiler.stop();
    const again = await profiler.stop();
    return {
      before,
      same: first === again,
      afterwards: await outcome(() => pronghorn.stop()),
      rotate: await outcome(() => profiler.rotate()),
    };
  },
  async rotateDuringRotate() {
    const profiler = await pronghorn.start(startOptions({ intervalMicros: 1000 }));
    burn(150);
    const first = profiler.rotate();
    const second = await outcome(() => profiler.rotate());
    const one = await first;
    burn(150);
    const last = await profiler.stop();
    return { second, one: keep(one, 'one'), last: keep(last, 'last') };
  },
  async saveNowhere() {
    const profiler = await pronghorn.start(startOptions());
    burn(50);
    const profile = await profiler.stop();
    const bad = await outcome(() => profile.save(settings.path));
    await profile.save(`${settings.out}/saved.pb.gz`);
    return { bad };
  },
  async unsupported() {
    return { start: await outcome(() => pronghorn.start()), profile: await outcome(() => pronghorn.profile({ durationMs: 10 })) };
  },
  async unknownV8() {
    const profiler = await pronghorn.start({ intervalMicros: 1000, [TEST_OPTIONS]: { v8Version: [99, 0] } });
    burn(400);
    const { capabilities } = profiler;
    return { capabilities, profile: keep(await profiler.stop(), 'profile') };
  },
  async testHook() {
    return {
      unknown: await outcome(() => pronghorn.start({ [TEST_OPTIONS]: { somethingElse: 1 } })),
      bad: await outcome(() => pronghorn.start({ [TEST_OPTIONS]: { intervalNanos: -1 } })),
    };
  },
  async equalOptions() {
    const profiler = await pronghorn.start({ intervalMicros: 2000 });
    const same = pronghorn.start({ intervalMicros: 2000, maxDepth: 1024 });
    const different = await outcome(() => pronghorn.start({ intervalMicros: 3000 }));
    const meanwhile = await outcome(() => pronghorn.profile({ durationMs: 10, intervalMicros: 2000 }));
    burn(100);
    const profile = await profiler.stop();
    return { same: same === profiler, different, meanwhile, samples: profile.stats.samples };
  },
  async profileFunction() {
    const promise = pronghorn.profile({ durationMs: 300, intervalMicros: 1000 });
    burn(200);
    const profile = await promise;
    const controller = new AbortController();
    const aborted = outcome(() => pronghorn.profile({ durationMs: 60_000, signal: controller.signal }));
    await rest(20);
    controller.abort(new Error('enough'));
    return {
      aborted: await aborted,
      profile: keep(profile, 'profile'),
      freeAgain: await outcome(async () => (await pronghorn.start()).stop()),
    };
  },
  async commonJs() {
    const required = createRequire(import.meta.url)('pronghorn');
    const profiler = await required.start(startOptions());
    const same = pronghorn.start(startOptions());
    burn(100);
    const profile = await profiler.stop();
    return {
      same: same === profiler,
      names: Object.keys(required).sort(),
      esm: Object.keys(pronghorn).sort(),
      samples: profile.stats.samples,
    };
  },
  // Two copies of the package in one process, and a module registry that is emptied as jest does between test files.
  async twoCopies() {
    const require = createRequire(import.meta.url);
    const other = require(settings.copy);
    const mine = await pronghorn.start({ intervalMicros: 2000 });
    const theirs = await outcome(() => other.start({ intervalMicros: 5000 }));
    const shared = other.start({ intervalMicros: 2000 });
    for (const key of Object.keys(require.cache)) delete require.cache[key];
    const fresh = await import(`${settings.copyUrl}?fresh=1`);
    const freshly = await outcome(() => fresh.start({ intervalMicros: 5000 }));
    burn(100);
    const profile = await shared.stop();
    return {
      distinct: other.start !== pronghorn.start,
      sameProfiler: shared === mine,
      theirs,
      freshly,
      samples: profile.stats.samples,
      freeAgain: await outcome(async () => (await other.start()).stop()),
    };
  },
  async otherRealm() {
    const vm = await import('node:vm');
    const context = vm.createContext({ require: createRequire(import.meta.url) });
    const inside = vm.runInContext("require('pronghorn')", context);
    const profiler = await inside.start(vm.runInContext('({ intervalMicros: 2000 })', context));
    const different = await outcome(() => pronghorn.start({ intervalMicros: 5000 }));
    burn(50);
    await profiler.stop();
    return { different };
  },
};

async function outcomeOfStop() {
  const stopped = await outcome(() => pronghorn.stop());
  return { stop: stopped.code ?? 'stopped' };
}

report(await cases[settings.case]());
