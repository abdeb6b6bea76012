// A debugger in a worker: connects to the main thread, pauses it again and again, steps once and lets it go.
const { parentPort } = require('node:worker_threads');
const { Session } = require('node:inspector');

/** Tells the main thread. */
function tell(message) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort of Node's, not a window
  parentPort.postMessage(message);
}

const session = new Session();
session.connectToMainThread();
let [pauses, stopping] = [0, false];

function pauseSoon() {
  setTimeout(() => {
    if (!stopping) session.post('Debugger.pause');
  }, 10);
}

session.on('Debugger.paused', ({ params }) => {
  pauses++;
  // Where V8 has stopped in none of JavaScript's frames, a step ends the process (Node 20: `Check failed: isolate->debug()->CheckExecutionState()`).
  const steps = pauses % 2 === 0 && params.callFrames.length > 0;
  session.post(steps ? 'Debugger.stepOver' : 'Debugger.resume', () => pauseSoon());
});
session.post('Debugger.enable', () => {
  tell('ready');
  pauseSoon();
});
parentPort.on('message', () => {
  stopping = true;
  session.post('Debugger.disable', () => {
    session.disconnect();
    tell(pauses);
  });
});
