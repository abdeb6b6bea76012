// A worker whose samples reach the recorder every few milliseconds.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { BINARY } from '../helpers/binary.mjs';

const native = createRequire(import.meta.url)(join(workerData.package, BINARY));
// Where all threads take part by themselves this changes nothing.
const joined = native.joinThread('recorder');

let sink = 1;

function onRecorder() {
  const end = performance.now() + 3;
  while (performance.now() < end) for (let index = 0; index < 5_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  // The loop polls in between, which is when a thread records.
  setTimeout(onRecorder, 1);
}

onRecorder();
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort of Node's, not a window
parentPort.postMessage(joined);
