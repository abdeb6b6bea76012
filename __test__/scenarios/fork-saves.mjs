// Files that are being written when the process forks, by nobody but save(): no other call of the package is made in the child.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { inChild, native, parentOnly, pronghorn, rest, scenarios, settings } from '../helpers/forking.mjs';

const { start, stop } = pronghorn;
const { kind } = settings;
const SIZE = 16 << 20;

const codeOf = (promise) => promise.then(() => 'none', (error) => error.code ?? String(error));
const large = (profile) => Object.defineProperty(profile, 'data', { value: Buffer.alloc(SIZE, 'x') });
const temporaries = () => readdirSync(settings.out).filter((name) => name.endsWith('.tmp'));
const size = (path) => readFileSync(path).length;

/** How many descriptors of this process stand for files of the test's. */
function open() {
  const ours = (fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${settings.out}/`);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc/self/fd').filter(ours).length;
}

/** A profile: the last one of a profiler that has stopped, or one of a profiler that runs. */
async function profileOf() {
  const profiler = start({ intervalMicros: 1_000 });
  parentOnly(10);
  return settings.running ? profiler.rotate() : stop();
}

await scenarios({
  // save() is under way at the fork: the child gives it up, whether or not a profiler runs.
  async pending() {
    const profile = large(await profileOf());
    const path = `${settings.out}/pending`;
    const saved = profile.save(path);
    const before = open();
    const child = await inChild(async () => {
      const inherited = open();
      return { inherited, code: await codeOf(saved), open: open(), forked: native().forkState().forked };
    }, { kind });
    const code = await codeOf(saved);
    return { before, child: child.value, code, size: size(path), left: temporaries() };
  },

  // save() is called in the child, which has not been reset, and then the loop turns.
  async beforeReset() {
    const profile = large(await profileOf());
    const path = `${settings.out}/child`;
    const child = await inChild(async () => {
      const saved = profile.save(path);
      const { forked } = native().forkState();
      const code = await codeOf(saved);
      // However late the reset comes: it takes nothing from a file of the child's own.
      for (const end = performance.now() + 3_000; native().forkState().forked && settings.running && performance.now() < end; ) await rest(5);
      return { forked, code, size: size(path), open: open(), left: temporaries(), again: await codeOf(profile.save(`${path}-2`)) };
    }, { kind });
    return { child: child.value, size: size(path), again: size(`${path}-2`), left: temporaries() };
  },
});
