// Every way in which Node lets a program do something later, as small functions: for tests of what follows asynchronous work.
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';

/** How long each burns. */
export const PART_MS = 15;

const queue = [];
const outside = (fn) => void queue.push(fn);
/** Calls what waits to be called from outside any context. */
export const callOutside = () => queue.splice(0).forEach((fn) => fn());

/** Work of every kind that Node can start; each calls `end` after it has called `burn`. */
export const ASYNC_WORK = {
  callback: (burn, end) => end(burn(PART_MS)),
  promise: (burn, end) => void Promise.resolve().then(() => end(burn(PART_MS))),
  awaited: async (burn, end) => {
    await sleep(1);
    await Promise.resolve();
    end(burn(PART_MS));
  },
  thenable: async (burn, end) => {
    // oxlint-disable-next-line unicorn/no-thenable -- that is what it is about
    await { then: (resolve) => setImmediate(resolve) };
    end(burn(PART_MS));
  },
  rejected: async (burn, end) => {
    await Promise.reject(new Error('on purpose')).catch(() => end(burn(PART_MS)));
  },
  timeout: (burn, end) => void setTimeout(() => end(burn(PART_MS)), 1),
  interval: (burn, end) => {
    const timer = setInterval(() => {
      clearInterval(timer);
      end(burn(PART_MS));
    }, 1);
  },
  immediate: (burn, end) => void setImmediate(() => end(burn(PART_MS))),
  tick: (burn, end) => process.nextTick(() => end(burn(PART_MS))),
  microtask: (burn, end) => queueMicrotask(() => end(burn(PART_MS))),
  emitter: (burn, end) => {
    const emitter = new EventEmitter();
    emitter.once('event', () => end(burn(PART_MS)));
    setImmediate(() => emitter.emit('event'));
  },
  onced: async (burn, end) => {
    const emitter = new EventEmitter();
    setImmediate(() => emitter.emit('event'));
    await once(emitter, 'event');
    end(burn(PART_MS));
  },
  file: (burn, end) => readFile(fileURLToPath(import.meta.url), () => end(burn(PART_MS))),
  pool: (burn, end) => deflate('x'.repeat(1_000), () => end(burn(PART_MS))),
  promisified: async (burn, end) => {
    await promisify(deflate)('x');
    end(burn(PART_MS));
  },
  stream: async (burn, end) => {
    const through = new Transform({
      transform(chunk, _encoding, next) {
        burn(1);
        next(null, chunk);
      },
    });
    await pipeline(Readable.from(['a', 'b', 'c']), through, async (source) => {
      for await (const _ of source) burn(1);
    });
    end(burn(PART_MS));
  },
  generator: (burn, end) => {
    const steps = (function* () {
      yield burn(PART_MS / 2);
      yield burn(PART_MS / 2);
    })();
    for (const _ of steps);
    end();
  },
  asyncGenerator: async (burn, end) => {
    for await (const _ of (async function* () {
      yield burn(PART_MS / 2);
      await sleep(1);
      yield burn(PART_MS / 2);
    })());
    end();
  },
  bound: (burn, end) => {
    const bound = AsyncResource.bind(() => end(burn(PART_MS)));
    // Called from nowhere.
    outside(bound);
  },
  snapshot: (burn, end) => {
    const inside = AsyncLocalStorage.snapshot();
    outside(() => inside(() => end(burn(PART_MS))));
  },
  resource: (burn, end) => {
    const resource = new AsyncResource('TEST');
    outside(() => resource.runInAsyncScope(() => end(burn(PART_MS))));
  },
  eventTarget: (burn, end) => {
    const target = new EventTarget();
    target.addEventListener('event', () => end(burn(PART_MS)));
    target.dispatchEvent(new Event('event'));
  },
};
