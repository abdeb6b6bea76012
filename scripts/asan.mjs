// Rust's tests under AddressSanitizer, as a step of `npm run test:long`: `node scripts/asan.mjs [CRATE …]`.
//
// The sanitizer is behind a switch that only nightly toolchains have; RUSTC_BOOTSTRAP=1 opens it in the installed one. What it is told to leave alone:
// - SIGSEGV and SIGBUS: the tests of the fault handler and of the loads raise them on purpose, and what is tested handles them.
// - the stacks that it would keep in heap memory to find uses after return: a handler of a signal, a forked child and a thread on a stack of ours have none.
// - leaks: what a fork abandons, and what a handler may still name, is never freed on purpose. The soak looks for others.
// It keeps its alternate signal stacks: those of Rust's standard library are 8 KB, too small for a handler with its red zones.
import { duration, run } from './steps.mjs';

const target = 'x86_64-unknown-linux-gnu';
const env = {
  RUSTC_BOOTSTRAP: '1',
  RUSTFLAGS: '-Zsanitizer=address',
  // Of its own: other flags would build everything anew in the usual one, each time.
  CARGO_TARGET_DIR: 'target/asan',
  CARGO_INCREMENTAL: '0',
  ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:handle_sigbus=0:detect_stack_use_after_return=0',
};

/** The addons of the tests have no tests of their own, and are loaded by programs that are not sanitized. */
const LEFT_OUT = ['pronghorn-test-fixture', 'pronghorn-fork-fixture', 'pronghorn-allocation-fixture', 'pronghorn-atfork-fixture', 'pronghorn-turn-fixture'];

const asked = process.argv.slice(2);
const which = asked.length > 0 ? asked.flatMap((crate) => ['-p', crate]) : ['--workspace', ...LEFT_OUT.flatMap((crate) => ['--exclude', crate])];
const began = Date.now();
let output = '';
let failure;
try {
  output = await run('cargo', ['test', '--no-fail-fast', '--target', target, '--lib', '--tests', ...which], { env, minutes: 45, capture: true });
} catch (error) {
  ({ output = '' } = error);
  failure = error.message;
}
const sum = (word) => [...output.matchAll(new RegExp(`^test result: .*?(\\d+) ${word}`, 'gm'))].reduce((total, match) => total + Number(match[1]), 0);
const [passed, failed] = [sum('passed'), sum('failed')];
if (failure !== undefined) console.log(failure);
console.log(`under AddressSanitizer, in ${duration(Date.now() - began)}:`);
// A binary that a report has ended says nothing of its tests.
const unsaid = failure !== undefined && failed === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed + unsaid} failed`);
process.exitCode = passed > 0 && failure === undefined ? 0 : 1;
