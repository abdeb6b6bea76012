// Threads that run no JavaScript of Node's, beside an idle main thread: native ones that compute and sleep by turns, and one with an isolate
// of its own.
import { start } from 'pronghorn';
import { fixture, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';

/** Where Node 26 keeps an isolate's handle scopes (`kIsolateHandleScopeDataOffset` in v8-internal.h); the others export what makes one. */
const HANDLE_SCOPES = Number(process.versions.node.split('.')[0]) >= 26 ? 560 : 0;

const profiler = start(startOptions());
await rest(300);
const before = profiler.stats().signalsSent;
fixture.startForeignThreads(settings.threads);
await rest(settings.ms);
const signals = profiler.stats().signalsSent - before;
const interrupted = fixture.stopForeignThreads();

fixture.runForeignIsolate(HANDLE_SCOPES);
for (let round = 0; fixture.foreignIsolate() === 0 && round < 200; round++) await rest(50);
const isolate = fixture.foreignIsolate();
const signalsOfIsolate = profiler.stats().signalsSent - before - signals;
report({ signals, interrupted, isolate, signalsOfIsolate, mainThread: fixture.threadId(), profile: keep(await profiler.stop(), 'profile') });
// Node's own end takes V8 down, which does not bear an isolate that is still there.
process.reallyExit(0);
