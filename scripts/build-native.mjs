// `npm run build:native`: the native half as it is published, so that what the tests load is what users get. `--target linux-x64-musl` builds
// for another platform. `--plain` links with the machine's own linker, against its own glibc, which needs no pip: good for development,
// and never published (__test__/package-binary.test.mjs). Where there is no pip it does that by itself, and says so.
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
  const isOwn = values.target === 'linux-x64-gnu';
  const env = values.plain ? undefined : await zigTools().catch((error) => (isOwn ? withoutTools(error) : Promise.reject(error)));
  if (env === undefined) {
    await napi([...common, ...types]);
  } else {
    const triple = target.glibc === undefined ? target.rust : `${target.rust}.${target.glibc}`;
    await napi([...common, ...types, '--cross-compile', '--target', triple], { ...env, RUSTFLAGS: await withoutPaths() });
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

/** A checkout works on a machine with Node and Rust alone; only what is published needs more. */
function withoutTools(error) {
  console.error(`${error.message}\nWithout zig, which Python's pip fetches, the native half is built for this machine alone: it is not what is published.`);
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
