// The platforms that get a package with a native half: what each is called, and what it is built for. A platform stands here only if a sampler
// exists for it; npm/README.md says what the others lack.

/**
 * @typedef {{ name: string, rust: string, glibc?: string }} Target
 *   `name` as in pronghorn-<name> and pronghorn.<name>.node; `rust` the target triple; `glibc` the oldest version that the binary may need
 */

/** @type {Target[]} */
export const targets = [
  { name: 'linux-x64-gnu', rust: 'x86_64-unknown-linux-gnu', glibc: '2.28' },
  { name: 'linux-x64-musl', rust: 'x86_64-unknown-linux-musl' },
];

/** @param {string} name */
export function targetNamed(name) {
  const found = targets.find((target) => target.name === name);
  if (found === undefined) throw new Error(`there is no target ${name}, only ${targets.map((target) => target.name).join(', ')}`);
  return found;
}
