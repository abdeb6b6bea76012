// What links the published binaries: cargo-zigbuild, and zig, which knows the symbols of every glibc and has musl's. Both come as wheels,
// which pip checks against the hashes in zig-requirements.txt, into a folder of the checkout.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './steps.mjs';

const requirements = fileURLToPath(new URL('scripts/zig-requirements.txt', root));

/**
 * Installs both, unless they are there in these versions.
 *
 * @returns {Promise<Record<string, string>>} the environment in which `cargo zigbuild` finds them
 * @throws where there is no pip, or it cannot fetch them
 */
export async function zigTools() {
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const tools = fileURLToPath(new URL(`.tools/zig-${version}`, root));
  if (!existsSync(join(tools, 'complete'))) await install(tools);
  return {
    PATH: [join(tools, 'bin'), process.env.PATH].join(delimiter),
    CARGO_ZIGBUILD_ZIG_PATH: join(tools, 'ziglang/zig'),
  };
}

async function install(tools) {
  // Under another name until it is whole: an installation that was cut short is none.
  const fresh = `${tools}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  const flags = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes'];
  try {
    await run('python3', ['-m', 'pip', 'install', ...flags, '--target', fresh, '--requirement', requirements], {
      env: { PIP_ROOT_USER_ACTION: 'ignore' },
      quiet: true,
    });
    writeFileSync(join(fresh, 'complete'), '');
    rmSync(tools, { recursive: true, force: true });
    renameSync(fresh, tools);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
