// One of the processes of spawns.mjs: computes, spawns, and says how long that took.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const settings = JSON.parse(process.argv[2]);
let sink = 1;

/** What a program has in memory: 140 MB, most of it V8's heap. */
async function loadCompiler() {
  const { default: ts } = await import('typescript59');
  const text = readFileSync(new URL('../../node_modules/typescript59/lib/lib.dom.d.ts', import.meta.url), 'utf8');
  return Array.from({ length: 2 }, () => ts.createSourceFile('lib.dom.d.ts', text, ts.ScriptTarget.Latest));
}

// Kept, so that it is not collected.
globalThis.inMemory = settings.program === 'compiler' ? await loadCompiler() : undefined;
// Last, as in a program that profiles a part of itself; the order changes what the import adds to the heap.
const profiler = settings.profile ? (await import('pronghorn')).start({ intervalMicros: 1_000 }) : undefined;

function compute(ms) {
  for (const end = performance.now() + ms; performance.now() < end; ) for (let index = 0; index < 2_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

/** Spawns a program that ends at once. @returns nanoseconds that the call took, and until the child had ended */
function spawnOne() {
  return new Promise((resolve, reject) => {
    const begin = process.hrtime.bigint();
    const child = spawn('/bin/true', { stdio: 'ignore' });
    const call = Number(process.hrtime.bigint() - begin);
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code !== 0) return reject(new Error(`ended with ${code}`));
      resolve({ call, end: Number(process.hrtime.bigint() - begin) });
    });
  });
}

const commands = {
  async one() {
    // So that the ticker ticks, as it does in a program that is at work.
    compute(4);
    return spawnOne();
  },

  async many({ count }) {
    let failed = 0;
    for (let done = 0; done < count; done += 4) {
      const outcomes = await Promise.allSettled([spawnOne(), spawnOne(), spawnOne(), spawnOne()]);
      failed += outcomes.filter(({ status }) => status === 'rejected').length;
      compute(1);
    }
    return { failed, stats: profiler?.stats() };
  },
};

process.on('message', async (command) => {
  const answer = await commands[command.do](command).catch((error) => ({ error: String(error) }));
  process.send(answer);
});
process.send('ready');
