// `npm run build:native`: the native half as it is published, so that what the tests load is what users get. `--target linux-x64-musl` builds
// for another platform. `--plain` links with the machine's own linker, against its own glibc, which needs no pip: good for development,
// and never published (__test__/package-binary.test.mjs).
import { parseArgs } from 'node:util';
import { run } from './steps.mjs';
import { targetNamed } from './targets.mjs';
import { zigTools } from './zig-tools.mjs';

const { values } = parseArgs({ options: { target: { type: 'string', default: 'linux-x64-gnu' }, plain: { type: 'boolean', default: false } } });
const common = ['build', '--platform', '--release', '--manifest-path', 'crates/pronghorn-node/Cargo.toml', '--output-dir', '.'];
const types = ['--js', 'native.cjs', '--dts', 'native.d.cts'];

try {
  const target = targetNamed(values.target);
  if (values.plain) {
    await napi([...common, ...types]);
  } else {
    const triple = target.glibc === undefined ? target.rust : `${target.rust}.${target.glibc}`;
    await napi([...common, ...types, '--cross-compile', '--target', triple], await zigTools());
  }
} catch (error) {
  console.error(error.message);
  if (!values.plain) console.error('Without Python and its pip, "npm run build:native -- --plain" builds a native half for this machine alone.');
  process.exit(1);
}

function napi(args, env = {}) {
  return run(process.execPath, ['node_modules/@napi-rs/cli/dist/cli.js', ...args], { env, minutes: 15 });
}
