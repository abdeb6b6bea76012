// A worker that never loads the package. It computes in a function of a name of its own whenever it is told to, and says what its CPU
// clock says. workerData: fixture (path), does (the function's name), nests (workerData of a worker of its own, and its name).
'use strict';
const { parentPort, threadId, Worker, workerData } = require('node:worker_threads');

const fixture = require(workerData.fixture);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort or Worker of Node's, not a window
const tell = (whom, message) => whom.postMessage(message);
// The function is to have the name that the test looks for.
const work = new Function(`let sink = 1;
return function ${workerData.does}(clock, until) {
  while (clock() < until) {
    for (let index = 0; index < 100000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
  }
}`)();

let nested;
if (workerData.nests !== undefined) {
  nested = new Worker(__filename, { name: workerData.nests.name, workerData: workerData.nests.data });
  nested.on('message', (message) => tell(parentPort, { of: 'nested', ...message }));
}

/** Computes for that much CPU time, however long it takes to get it. */
function burn(ms) {
  const before = fixture.threadCpuNanos();
  work(fixture.threadCpuNanos, before + ms * 1e6);
  return fixture.threadCpuNanos() - before;
}

parentPort.on('message', ({ type, ms }) => {
  if (nested !== undefined) tell(nested, { type, ms });
  if (type === 'burn') tell(parentPort, { type: 'burnt', cpu: burn(ms) });
  if (type === 'end') parentPort.close();
});
tell(parentPort, { type: 'online', tid: fixture.threadId(), threadId });
