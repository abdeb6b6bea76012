// The Node binaries of the tests: one per supported major, installed by `npm ci --prefix __test__/nodes`.
// PRONGHORN_TEST_MAJORS=20,24 narrows a run while developing.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const only = process.env.PRONGHORN_TEST_MAJORS?.split(',').map(Number);

/** The majors this run tests. */
export const majors = [20, 22, 24, 26].filter((major) => only === undefined || only.includes(major));

/** True when the full counts are asked for (`npm run test:long`). */
export const long = process.env.PRONGHORN_TEST_LONG === '1';

/** The root of the repository: the working directory of every child. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The `node` executable of one major. Throws, with the command that installs it, when it is missing. */
export function nodePath(major) {
  const path = fileURLToPath(new URL(`../nodes/node_modules/node${major}/bin/node`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm ci --prefix __test__/nodes"`);
  return path;
}
