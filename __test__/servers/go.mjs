// Go for the servers of the tests: the one on the PATH, or Debian's; where it is too old, it fetches a newer one through the module proxy.
import { spawnSync } from 'node:child_process';

/** What the modules in this folder ask for. */
export const NEEDED = { major: 1, minor: 26 };

/** The toolchain that an older go command fetches, as a module; since 1.21 it can. */
const TOOLCHAIN = 'go1.27.3';
const SWITCHES_SINCE = 21;

/**
 * The environment in which `go build` works, after installing what is missing.
 *
 * @param {(text: string) => void} [say] told what is installed
 * @returns {Record<string, string>}
 * @throws with what to do, when Go cannot be had
 */
export function goEnvironment(say = () => {}) {
  let minor = goMinor();
  if (minor === undefined) {
    installFromDebian(say);
    minor = goMinor();
  }
  if (minor === undefined) throw new Error(`the command "go" is not on the PATH: ${advice}`);
  if (minor >= NEEDED.minor) return {};
  if (minor < SWITCHES_SINCE) throw new Error(`Go 1.${minor} is too old: ${advice}`);
  say(`Go 1.${minor} is too old and fetches ${TOOLCHAIN}`);
  const { status, stderr } = spawnSync('go', ['version'], { env: { ...process.env, GOTOOLCHAIN: TOOLCHAIN }, encoding: 'utf8', timeout: 300_000 });
  if (status !== 0) throw new Error(`${stderr.trim()}\n${advice}`);
  return { GOTOOLCHAIN: TOOLCHAIN };
}

const advice = `install Go ${NEEDED.major}.${NEEDED.minor} or later (1.${SWITCHES_SINCE} can fetch it by itself) and run again`;

/** 26 for "go1.26.8"; undefined without Go. GOTOOLCHAIN=local: asking must not fetch one. */
function goMinor() {
  const { stdout } = spawnSync('go', ['env', 'GOVERSION'], { env: { ...process.env, GOTOOLCHAIN: 'local' }, encoding: 'utf8', timeout: 60_000 });
  const minor = /^(?:devel )?go1\.(\d+)/.exec(stdout ?? '')?.[1];
  return minor === undefined ? undefined : Number(minor);
}

/** Installs Debian's package where that is possible and new enough to be of use. */
function installFromDebian(say) {
  const apt = (command, ...args) => spawnSync(command, args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, encoding: 'utf8', timeout: 300_000 });
  if (process.getuid() !== 0 || apt('apt-get', '--version').status !== 0) return;
  apt('apt-get', 'update');
  const candidate = /Candidate: (?:\d+:)?1\.(\d+)/.exec(apt('apt-cache', 'policy', 'golang-go').stdout ?? '')?.[1];
  if (candidate === undefined || Number(candidate) < SWITCHES_SINCE) return;
  say(`installing Debian's Go 1.${candidate}`);
  apt('apt-get', 'install', '--yes', '--no-install-recommends', 'golang-go');
}
