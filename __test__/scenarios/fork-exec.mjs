// A forked child that becomes another program by process.execve() (Node 22.15 and later).
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { childOnly, digest, inChild, parentOnly, pronghorn, scenarios, settings, turn, untilSampled } from '../helpers/forking.mjs';

const { start } = pronghorn;
const alive = `${settings.out}/alive`;

await scenarios({
  async child() {
    const profiler = start({ intervalMicros: 1_000 });
    untilSampled(() => profiler.stats().samples, parentOnly);
    const { status } = await inChild(
      async () => {
        await turn();
        subscribe('pronghorn:exec', ({ profile }) => profile.saveSync(`${settings.out}/child.pb.gz`));
        untilSampled(() => profiler.stats().samples, childOnly);
        const program = `require('node:fs').writeFileSync(${JSON.stringify(alive)}, 'another program')`;
        process.execve(process.execPath, [process.execPath, '--no-warnings', '-e', program], process.env);
      },
      { kind: settings.kind },
    );
    untilSampled(() => profiler.stats().samples, parentOnly);
    return { status, alive: readFileSync(alive, 'utf8'), parent: digest(await profiler.stop()).names };
  },
});
