// From an ES module: what computes is in a module of its own, and the profile shows it.
import { start } from 'pronghorn';
import { burn } from './burn.mjs';

const profiler = start({ intervalMicros: 1_000 });
burn(200);
await (await profiler.stop()).save(process.argv[2]);
