// The Node binaries of the tests: one per supported major, installed by `npm ci --prefix __test__/nodes`.
// PRONGHORN_TEST_MAJORS=20,24 narrows a run while developing; PRONGHORN_TEST_NODE=self tests the Node that runs the tests, and it alone.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const only = process.env.PRONGHORN_TEST_MAJORS?.split(',').map(Number);

const own = process.env.PRONGHORN_TEST_NODE === 'self' ? Number(process.versions.node.split('.')[0]) : undefined;

/** The majors this run tests. */
export const majors = (own === undefined ? [20, 22, 24, 26] : [own]).filter((major) => only === undefined || only.includes(major));

/** True when the full counts are asked for (`npm run test:long`). */
export const long = process.env.PRONGHORN_TEST_LONG === '1';

/** The root of the repository: the working directory of every child. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The `node` executable of one major. Throws, with the command that installs it, when it is missing. */
export function nodePath(major) {
  if (own === major) return process.execPath;
  const path = fileURLToPath(new URL(`../nodes/node_modules/node${major}/bin/node`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm ci --prefix __test__/nodes"`);
  return path;
}
