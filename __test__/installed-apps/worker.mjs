// A worker thread that computes, profiled by the main thread.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { start } from 'pronghorn';

const profiler = start({ intervalMicros: 1_000 });
const worker = new Worker(new URL('register.mjs', import.meta.url));
await once(worker, 'exit');
await (await profiler.stop()).save(process.argv[2]);
