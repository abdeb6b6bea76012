// A worker that stands still again and again, so that the ticker keeps open what tells how long it has waited for a processor; then it ends.
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';
import { taskFiles } from '../helpers/open-files.mjs';
import { burn, report, rest, startOptions } from '../helpers/scenario.mjs';

const code = `
  function burn(ms) {
    const end = performance.now() + ms;
    while (performance.now() < end);
  }
  import(${JSON.stringify(new URL('../helpers/restless.mjs', import.meta.url).href)}).then(({ restless }) => {
    for (;;) restless(burn);
  });
`;

/** Those of other threads than the main one. */
const workersFiles = () =>
  taskFiles(process.pid)
    .map(({ file }) => file)
    .filter((file) => file.includes('/schedstat') && !file.includes(`/task/${process.pid}/`));

/** What there is of them once that is as many, or after a while. */
async function until(count) {
  const end = performance.now() + 20_000;
  for (;;) {
    const files = workersFiles();
    if (files.length === count || performance.now() > end) return files;
    burn(20);
    await rest(5);
  }
}

const profiler = start(startOptions());
const worker = new Worker(code, { eval: true });
const had = await until(1);
await worker.terminate();
const left = await until(0);
await profiler.stop();
report({ had, left });
