// A program that really forks: fork(2) without exec, and the child goes on running JavaScript. Parent and child each get a profile of their own.
//
//   node examples/fork.mjs [OUTPUT_DIR]
//
// Node has no such fork, so this borrows the addon of the tests, crates/fork-fixture, which follows the recipe in docs/fork-safety.md; Rust is needed to
// build it. The lines that begin with PRONGHORN are the reset in the child, step by step (NODE_DEBUG=pronghorn).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const PAGES_LOOP_AND_END = 1 + 2 + 4;

/** Builds the addon, then runs this file again, with the flags that a forking Node needs: no threads of V8's that the child would lack. */
function launch() {
  const cargo = spawnSync('cargo', ['build', '--quiet', '--release', '-p', 'pronghorn-fork-fixture'], { cwd: root, stdio: 'inherit' });
  if (cargo.status !== 0) throw new Error('the addon that forks could not be built');
  const args = ['--single-threaded', '--v8-pool-size=1', here, ...process.argv.slice(2)];
  const { status, signal } = spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, NODE_DEBUG: 'pronghorn', FORK_EXAMPLE: '1' } });
  if (signal !== null) throw new Error(`the program was ended by ${signal}`);
  process.exitCode = status;
}

let sum = 1;
const compute = (ms) => {
  for (const end = performance.now() + ms; performance.now() < end; ) for (let i = 0; i < 20_000; i++) sum = (Math.imul(sum, 69069) + i) | 0;
};
function parentsWork(ms) {
  compute(ms);
}
function childsWork(ms) {
  compute(ms);
}

async function program() {
  const { start } = await import('pronghorn');
  const library = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'release/libpronghorn_fork_fixture.so');
  const addon = { exports: {} };
  process.dlopen(addon, library);
  const forker = addon.exports;
  const keep = (profile, name) => profile.save(join(process.argv[2] ?? '.', `${name}.pb.gz`));

  const profiler = start({ intervalMicros: 2_000 });
  parentsWork(400);
  console.log(`process ${forker.getpid()} has ${profiler.stats().samples} samples, and forks`);

  const pid = forker.fork('fork', PAGES_LOOP_AND_END);
  if (pid < 0) throw new Error(`fork failed: errno ${-pid}`);
  if (pid === 0) {
    // libc's exit() would wait for threads that the child does not have.
    process.reallyExit = forker.exitNow;
    // Nothing is called here: before the event loop polls, the profiler sees the fork by itself.
    await setImmediate();
    await setImmediate();
    console.log(`process ${forker.getpid()} is the child; its profiler starts with ${profiler.stats().samples} samples`);
    childsWork(400);
    console.log(`process ${forker.getpid()} wrote ${await keep(await profiler.stop(), 'child')}`);
    process.exit(0);
  }

  let status;
  const deadline = performance.now() + 20_000;
  while ((status = forker.waitpid(pid, 1)) === -1 && performance.now() < deadline) await setTimeout(5);
  if (status === -1) forker.kill(pid, 9);
  if (status !== 0) throw new Error(`the child ended with ${status === -1 ? 'its deadline' : status}`);
  parentsWork(100);
  console.log(`process ${forker.getpid()} wrote ${await keep(await profiler.stop(), 'parent')}`);
}

if (process.env.FORK_EXAMPLE === undefined) launch();
else await program();
