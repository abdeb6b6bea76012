// Eight worker threads, all of them busy. A contender that profiles only its own thread is started in each of them, as its users have to.
import { Worker } from 'node:worker_threads';

const WORKERS = 8;
const program = new URL('../programs/busy-worker.mjs', import.meta.url);

export async function prepare({ quick, contender, intervalMicros, coversWorkers }) {
  const workerData = { contender: coversWorkers ? 'nothing' : contender, intervalMicros, rounds: quick ? 20 : 250 };
  const one = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(program, { workerData });
      worker.on('error', reject);
      worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    });
  return {
    async run() {
      await Promise.all(Array.from({ length: WORKERS }, one));
      return WORKERS;
    },
  };
}
