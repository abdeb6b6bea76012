// Work that leads the signal handler everywhere: each kind of frame, deep stacks, collections, labels, a worker, and an event loop that is blocked, whose
// stack the handler names.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';
import { start, withLabels } from 'pronghorn';
import { burn, fixture, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

const text = 'a'.repeat(24) + 'b';
const block = Buffer.alloc(1 << 16);
const fresh = (index) => new Function('n', `let sum = ${index}; for (let i = 0; i < n; i++) sum += i % 7; return sum;`)(2_000);
const deep = (depth) => (depth === 0 ? burn(1) : deep(depth - 1) + 1);

const kinds = [
  () => burn(5),
  () => fresh(Math.random()),
  () => deep(400),
  () => /^(a+)+$/.test(text),
  () => Array.from({ length: 20_000 }, (_, index) => ({ index })).sort((a, b) => b.index - a.index).length,
  () => createHash('sha256').update(block).digest('hex'),
  () => JSON.parse(JSON.stringify(Array.from({ length: 2_000 }, (_, index) => ({ index })))),
  () => fixture?.burn(2),
];

function everything(ms) {
  for (const end = performance.now() + ms; performance.now() < end; ) for (const kind of kinds) kind();
}

if (isMainThread) {
  const profiler = start(startOptions());
  const worker = new Worker(new URL(import.meta.url), { argv: [JSON.stringify({ ...settings, fixture: undefined })] });
  for (let turn = 0; turn < 6; turn++) {
    withLabels({ turn: `${turn}` }, () => everything(settings.ms / 6));
    await rest(10);
  }
  if (worker.threadId !== -1) await once(worker, 'exit');
  const { samples, stalls } = profiler.stats();
  await profiler.stop();
  report({ samples, stalls });
} else everything(settings.ms);
