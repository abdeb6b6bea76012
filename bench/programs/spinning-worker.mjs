// A thread that is busy until it is terminated.
import { parentPort } from 'node:worker_threads';
import { caller, loadFunctions } from '../workloads/functions.mjs';

const call = caller(loadFunctions(100));
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
parentPort.postMessage('busy');
for (;;) call();
