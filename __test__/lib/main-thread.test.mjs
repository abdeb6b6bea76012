// Whether a thread is the main one, told without the module that knows: on every Node of the tests, where nothing is loaded, and where a program has replaced what is looked at.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { mayBeWorker } from '../../build/lib/main-thread.js';
import { majors, nodePath } from '../helpers/nodes.mjs';

const file = new URL('../../build/lib/main-thread.js', import.meta.url).href;
const ask = `await import(${JSON.stringify(file)}).then(({ isMainThread }) => isMainThread)`;

/** What a program prints. */
function printed(major, program) {
  const { status, stdout, stderr } = spawnSync(nodePath(major), ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

/** A program that asks in a worker, whose code begins with `first`. */
const inWorker = (first) => `
  import { Worker } from 'node:worker_threads';
  const code = ${JSON.stringify(`${first} Promise.all([import(${JSON.stringify(file)}), import('node:worker_threads')]).then(([said, threads]) => threads.parentPort.postMessage(said.isMainThread))`)};
  new Worker(code, { eval: true }).on('message', (said) => console.log(JSON.stringify(said)));`;

for (const major of majors) {
  test(`the main thread knows itself, and loads nothing for it (Node ${major})`, () => {
    const program = `const before = new Set(process.moduleLoadList);
      const is = ${ask};
      console.log(JSON.stringify([is, process.moduleLoadList.filter((name) => !before.has(name) && /worker|stream/.test(name))]));`;
    assert.deepEqual(printed(major, program), [true, []]);
  });

  test(`also where workers have been made, or its functions are replaced (Node ${major})`, () => {
    assert.equal(printed(major, `import 'node:worker_threads'; console.log(${ask});`), true);
    assert.equal(printed(major, `process.chdir = () => {}; process.abort = () => {}; console.log(${ask});`), true);
  });

  test(`a worker knows that it is none, also where its functions are replaced (Node ${major})`, () => {
    assert.equal(printed(major, inWorker('')), false);
    assert.equal(printed(major, inWorker('process.chdir = () => {}; process.abort = () => {};')), false);
    assert.equal(printed(major, inWorker("Object.defineProperty(process, 'moduleLoadList', { value: undefined });")), false);
  });
}

test('each of the two signs is enough, and without the list the module is asked', () => {
  const plain = () => undefined;
  const disabled = Object.assign(() => undefined, { disabled: true });
  const [main, worker] = [['NativeModule fs'], ['NativeModule fs', 'NativeModule internal/worker/io']];
  for (const [looked, may] of [
    [{ abort: plain, chdir: plain, moduleLoadList: main }, false],
    [{ abort: disabled, chdir: plain, moduleLoadList: main }, true],
    [{ abort: plain, chdir: disabled, moduleLoadList: main }, true],
    [{ abort: plain, chdir: plain, moduleLoadList: worker }, true],
    [{ abort: plain, chdir: plain }, true],
  ]) assert.equal(mayBeWorker(looked), may);
});
