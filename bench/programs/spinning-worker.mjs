// A thread that is busy until it is terminated.
import { parentPort } from 'node:worker_threads';
import { caller, loadFunctions } from '../workloads/functions.mjs';

const call = caller(loadFunctions(100));
parentPort.postMessage('busy');
for (;;) call();
