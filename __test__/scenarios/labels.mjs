// Programs that put labels on their work, and say by their own clock what each part of it took. What burns in a function `in_X` is to be labelled
// `part: X`, and what burns in `plain` is to have no labels: a sample's stack and labels are taken at one instant, so of this there is no exception.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { InvalidOptionError, start, withLabels } from 'pronghorn';
import { ASYNC_WORK, callOutside, PART_MS } from '../helpers/async-work.mjs';
import { fixture, keep, report, settings, startOptions } from '../helpers/scenario.mjs';

const clock = () => fixture.threadCpuNanos();

/** A function `in_<part>` that computes for so much CPU time, allocates if it is to, and returns what it took by its own clock. */
function burner(part) {
  return new Function(
    'clock',
    `let sink = 1; const kept = [];
    return function in_${part}(ms, allocates = false) {
      const before = clock();
      while (clock() < before + ms * 1e6) {
        for (let index = 0; index < 2_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
        if (allocates) { kept.push({ sink, text: 'x' + sink, more: new Array(20).fill(sink) }); if (kept.length > 20_000) kept.length = 0; }
      }
      return clock() - before;
    }`,
  )(clock);
}

const plain = new Function('burn', 'return function plain(ms) { return burn(ms); }')(burner('nobodys'));
const kind = () => process[Symbol.for('pronghorn.registry')].labelling?.tracking.kind;

/** A request: it burns, waits for something, burns again, and so on. Resolves with its CPU time. */
async function request(part, rounds, ms, { allocates, waits = () => sleep(0) } = {}) {
  const burn = burner(part);
  let cpu = 0;
  for (let round = 0; round < rounds; round++) {
    cpu += burn(ms, allocates);
    await waits(round);
    cpu += burn(ms / 2, allocates);
    await Promise.resolve();
  }
  return cpu;
}

const scenarios = {
  // Two requests at a time, and work that is nobody's between them.
  async truth() {
    const profiler = start(startOptions());
    const each = (part) => withLabels({ route: `/${part}`, part }, () => request(part, settings.rounds, settings.ms));
    const cpu = await Promise.all([each('users'), each('orders'), request('nobodys', settings.rounds / 4, settings.ms)]);
    return { cpu, profiler };
  },

  async primitives() {
    const profiler = start(startOptions());
    const all = Object.entries(ASYNC_WORK).map(
      ([part, act]) => new Promise((resolve, reject) => withLabels({ part }, () => Promise.resolve(act(burner(part), resolve)).catch(reject))),
    );
    plain(5);
    const calling = setInterval(callOutside, 1);
    await Promise.all(all);
    clearInterval(calling);
    plain(5);
    return { parts: Object.keys(ASYNC_WORK), profiler };
  },

  // A server: the labels come in with the request's first callback.
  async http() {
    const profiler = start(startOptions());
    const routes = Object.fromEntries(['alpha', 'beta'].map((part) => [part, burner(part)]));
    const server = http.createServer((incoming, response) => {
      const part = incoming.url.slice(1);
      void withLabels({ part }, async () => {
        routes[part](4);
        for await (const _ of incoming) routes[part](2);
        await sleep(1);
        routes[part](4);
        response.end('done', () => routes[part](2));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
    const send = (part) =>
      new Promise((resolve, reject) => {
        const outgoing = http.request({ port: server.address().port, path: `/${part}`, method: 'POST', agent }, (response) => response.resume().on('end', resolve));
        outgoing.on('error', reject).end('body');
      });
    for (let round = 0; round < 15; round++) await Promise.all([send('alpha'), send('beta'), send('alpha')]);
    agent.destroy();
    server.close();
    return { parts: ['alpha', 'beta'], profiler };
  },

  // Inner scopes add to outer ones, and end; whatever happens in them.
  async nesting() {
    const profiler = start(startOptions());
    const burn = { outer: burner('outer'), inner: burner('inner'), after: burner('after') };
    await withLabels({ part: 'outer', route: '/r' }, async () => {
      burn.outer(PART_MS);
      const result = await withLabels({ part: 'inner', more: 'yes' }, async () => {
        burn.inner(PART_MS);
        await sleep(1);
        burn.inner(PART_MS);
        return 7;
      });
      assert.equal(result, 7);
      burn.outer(PART_MS);
      const error = new Error('on purpose');
      assert.throws(() => withLabels({ part: 'inner', more: 'yes' }, () => { throw error; }), error);
      burn.outer(PART_MS);
      withLabels({ part: 'after', route: '' }, () => burn.after(PART_MS));
      burn.outer(PART_MS);
    });
    plain(PART_MS);
    // An exception that nobody catches ends its scope too.
    process.once('uncaughtException', () => plain(PART_MS));
    await new Promise((resolve) => {
      setTimeout(() => {
        setImmediate(resolve);
        withLabels({ part: 'inner' }, () => { throw new Error('uncaught on purpose'); });
      }, 1);
    });
    plain(PART_MS);
    return { profiler };
  },

  // A profile that begins within a scope knows it; the same after a stop.
  async late() {
    const burn = burner('early');
    const first = await withLabels({ part: 'early' }, async () => {
      await sleep(1);
      const profiler = start(startOptions());
      burn(40);
      return profiler.stop();
    });
    keep(first, 'first');
    const second = await withLabels({ part: 'early' }, async () => {
      const profiler = start(startOptions());
      await sleep(1);
      burn(40);
      return profiler;
    });
    return { parts: ['early'], profiler: second };
  },

  // Objects move all the time.
  async collections() {
    const profiler = start(startOptions());
    const each = (part) => withLabels({ part }, () => request(part, settings.rounds, settings.ms, { allocates: true }));
    const cpu = await Promise.all([each('users'), each('orders')]);
    return { cpu, profiler };
  },

  async worker() {
    const profiler = start(startOptions());
    const file = new URL('../apps/labelled-worker.mjs', import.meta.url);
    const workers = ['one', 'two'].map((part) => new Worker(file, { name: part, workerData: { part, fixture: settings.fixture } }));
    const cpu = Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    await withLabels({ part: 'main' }, () => request('main', 4, 10));
    const took = await cpu;
    await ended;
    return { cpu: took, parts: ['one', 'two', 'main'], profiler };
  },

  // Workers that are ended while their labelled work runs and is sampled.
  async terminated() {
    const profiler = start(startOptions());
    const file = new URL('../apps/labelled-worker.mjs', import.meta.url);
    const burn = burner('main');
    for (let round = 0; round < settings.rounds; round++) {
      const workers = ['one', 'two'].map((part) => new Worker(file, { workerData: { part, fixture: settings.fixture } }));
      const ended = workers.map((worker) => once(worker, 'exit'));
      await withLabels({ part: 'main' }, async () => {
        await Promise.all(workers.map((worker) => once(worker, 'online')));
        burn(5);
        await sleep((round % 10) * 15);
      });
      workers.forEach((worker) => void worker.terminate());
      await Promise.all(ended);
    }
    return { parts: ['main'], profiler };
  },

  // A label for each request, and one for all of them.
  async manySets() {
    const profiler = start(startOptions());
    const burn = burner('service');
    const memory = () => {
      globalThis.gc();
      return process.memoryUsage().heapUsed + process.memoryUsage().external;
    };
    const result = await withLabels({ part: 'service' }, async () => {
      let before;
      for (let id = 0; id < settings.ids; id++) {
        withLabels({ request: `request ${id}` }, () => undefined);
        if (id % 5_000 === 0) {
          burn(5);
          await Promise.resolve();
        }
        if (id === 20_000) before = memory();
      }
      burn(20);
      return { grown: memory() - before };
    });
    await withLabels({ part: 'again' }, () => request('again', 2, 10));
    return { ...result, parts: ['service', 'again'], profiler };
  },

  async rules() {
    const fn = () => assert.fail('called');
    const refused = (labels) => assert.throws(() => withLabels(labels, fn), (error) => error instanceof InvalidOptionError && error.code === 'ERR_PRONGHORN_INVALID_OPTION');
    const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`key ${index}`, 'x']));
    const wrong = [undefined, null, 'a', 7, [], ['a'], new Map(), new URL('http://a'), { '': 'x' }, { ['k'.repeat(129)]: 'x' }, { a: 1 }, { a: undefined }, many(17)];
    for (const reserved of ['thread id', 'thread name', 'process id', 'cluster worker id']) wrong.push({ [reserved]: '1' });
    for (const labels of wrong) refused(labels);
    assert.equal(withLabels({}, () => 1), 1);
    // Once more, when they could be remembered.
    for (const labels of wrong) refused(labels);
    assert.equal(withLabels(many(16), () => 2), 2);
    withLabels(many(16), () => refused({ 'one more': 'x' }));
    assert.equal(withLabels(many(16), () => withLabels({ 'key 0': 'y' }, () => 3)), 3);
    assert.equal(withLabels({ ['k'.repeat(128)]: 'v'.repeat(100_000), odd: 'a\0b\ud800' }, () => 4), 4);
    assert.equal(withLabels(Object.assign(Object.create(null), { a: 'b' }), () => 5), 5);
    const promise = Promise.resolve();
    assert.equal(withLabels({ a: 'b' }, () => promise), promise, 'the same promise');
    const store = new AsyncLocalStorage();
    assert.equal(store.run(9, () => withLabels({ a: 'b' }, () => store.getStore())), 9);
    assert.equal(await store.run(9, () => withLabels({ a: 'b' }, async () => (await sleep(1), store.getStore()))), 9);
    return { profiler: start(startOptions()) };
  },
};

const { profiler, ...result } = await scenarios[settings.does]();
const { file, stats } = keep(await profiler.stop(), 'profile');
report({ ...result, kind: kind(), file, stats });
