// `npm run test:platform`: the truth and fork tests with the Node and the native half that are here, and nothing else: for the machines of the
// release workflow that have no build of their own. Needs cargo, for the addons of the tests.
import { duration, run } from './steps.mjs';

/** What a platform has to show before it is published. */
const files = ['truth', 'truth-tiers', 'values', 'native-frames', 'off-cpu', 'threads', 'fork-truth', 'fork-copies', 'cluster', 'whole-program'];

const began = Date.now();
const args = ['--test', '--test-reporter=spec', '--test-concurrency=1', ...files.map((name) => `__test__/${name}.test.mjs`)];
try {
  await run(process.execPath, args, { env: { PRONGHORN_TEST_NODE: 'self' }, minutes: 25 });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
console.log(`all in ${duration(Date.now() - began)}`);
