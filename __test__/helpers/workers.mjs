// Workers of a scenario that compute when they are told to: ../apps/burner.cjs, or any other file that speaks like it.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { settings } from './scenario.mjs';

const burner = fileURLToPath(new URL('../apps/burner.cjs', import.meta.url));

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Worker of Node's, not a window
const tell = (worker, message) => worker.postMessage(message);

/** What a worker of {@link burning} is given. */
export const burnerData = (does) => ({ fixture: settings.fixture, does });

/**
 * Starts a worker that computes in a function called `does`. Options: its `name`, the name and function of a worker that it `nests`, and
 * another `file`.
 *
 * Output: the Worker, with `online` (a promise of its ids), `burn(ms)` (for that much CPU time; resolves with the nanoseconds it took by its own clock),
 * `end()`, and the same as `nested` if it has one.
 */
export function burning(does, { name, nests, file = burner, ...options } = {}) {
  const data = burnerData(does);
  if (nests !== undefined) data.nests = { name: nests.name, data: burnerData(nests.does) };
  const worker = new Worker(file, { name, workerData: data, ...options });
  const answers = [];
  const waiting = [];
  const take = (fits) => {
    const index = answers.findIndex(fits);
    if (index !== -1) return Promise.resolve(answers.splice(index, 1)[0]);
    return new Promise((resolve, reject) => waiting.push({ fits, resolve, reject }));
  };
  worker.on('message', (message) => {
    const index = waiting.findIndex(({ fits }) => fits(message));
    if (index === -1) answers.push(message);
    else waiting.splice(index, 1)[0].resolve(message);
  });
  worker.ended = new Promise((resolve) => worker.once('exit', resolve));
  worker.on('error', (error) => waiting.splice(0).forEach(({ reject }) => reject(error)));
  const facade = (of) => ({
    online: take((message) => message.of === of && message.type === 'online'),
    burnt: () => take((message) => message.of === of && message.type === 'burnt'),
  });
  const { online, burnt } = facade(undefined);
  worker.nested = nests === undefined ? undefined : facade('nested');
  return Object.assign(worker, {
    online,
    async burn(ms) {
      tell(worker, { type: 'burn', ms });
      return (await burnt()).cpu;
    },
    end() {
      tell(worker, { type: 'end' });
      return worker.ended;
    },
  });
}
