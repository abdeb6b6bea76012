// `npm run build:native`: the native half as it is published, so that what the tests load is what users get. `--target linux-x64-musl` builds
// for another platform. `--plain` links with the machine's own linker, against its own glibc, which needs no pip: good for development,
// and never published (__test__/package-binary.test.mjs).
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
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
    const env = await zigTools();
    await napi([...common, ...types, '--cross-compile', '--target', triple], { ...env, RUSTFLAGS: await withoutPaths() });
  }
} catch (error) {
  console.error(error.message);
  if (!values.plain) console.error('Without Python and its pip, "npm run build:native -- --plain" builds a native half for this machine alone.');
  process.exit(1);
}

/** Flags that take the folders of this machine out of the binary: messages of panics name source files. */
async function withoutPaths() {
  await run('cargo', ['fetch', '--locked'], { quiet: true });
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry/src');
  const registries = existsSync(sources) ? readdirSync(sources) : [];
  return [process.env.RUSTFLAGS, ...registries.map((name) => `--remap-path-prefix=${join(sources, name)}=`)].filter(Boolean).join(' ');
}

function napi(args, env = {}) {
  return run(process.execPath, ['node_modules/@napi-rs/cli/dist/cli.js', ...args], { env, minutes: 30 });
}
