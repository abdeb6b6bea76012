/**
 * `node --import pronghorn/register app.js`: profiles the whole program and writes a file when it ends. Importing it is all there is to
 * do; the PRONGHORN_* environment variables set the options (docs/cli.md).
 *
 * Worker threads inherit `--import` and come here too. The process has one profiler, started by its main thread; they take part in it.
 */
import { isMainThread, joinAsWorker, loadNative, profileWholeProgram } from './lib/core.js';

if (isMainThread) profileWholeProgram(loadNative);
else joinAsWorker(loadNative);
