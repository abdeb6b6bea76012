// What an installation takes on disk: the package with what it depends on, on this platform.
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePackages } from '../../scripts/package.mjs';
import { contenders } from '../contenders/index.mjs';
import { installed, peersFolder } from '../runner/peers.mjs';
import { goal, metric } from '../runner/metric.mjs';

export const names = [];
const GOAL_BYTES = 2e6;

/** Bytes of a file or of all files in a folder, without the packages inside it. */
function bytesOf(path) {
  const status = lstatSync(path);
  if (!status.isDirectory()) return status.size;
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

/** A package and everything that it needs, each once. */
function withDependencies(packageName, seen = new Set()) {
  if (seen.has(packageName)) return seen;
  const folder = join(peersFolder, 'node_modules', packageName);
  if (!existsSync(folder)) return seen;
  seen.add(packageName);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) withDependencies(name, seen);
  return seen;
}

/** What is published, as it lies on disk once it is installed: the root package and the native half of this platform. */
async function ownBytes() {
  const folder = mkdtempSync(join(tmpdir(), 'pronghorn-bench-'));
  try {
    await makePackages(folder);
    return ['pronghorn', 'pronghorn-linux-x64-gnu'].reduce((sum, name) => sum + bytesOf(join(folder, name)), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function run(context) {
  const cells = [];
  const major = context.majors[0];
  const running = context.contendersOn(major);
  for (const { name, packageName } of contenders.filter((each) => running.includes(each.name))) {
    let bytes;
    if (name === 'pronghorn') bytes = await ownBytes();
    else if (packageName !== undefined && installed(packageName)) {
      bytes = [...withDependencies(packageName)].reduce((sum, each) => sum + bytesOf(join(peersFolder, 'node_modules', each)), 0);
    }
    cells.push({ cell: { major, contender: name, round: 0 }, result: { bytes } });
  }
  return cells;
}

export function report(results) {
  const size = metric({ name: 'installed size', unit: 'MB', toNothing: false }, results, ({ bytes }) => bytes && bytes / 1e6);
  const [major] = size.majors;
  return {
    metrics: [size],
    goals: [
      goal('installed size ≤ 2 MB', [major], () => {
        const [ours] = size.of(major, 'pronghorn');
        return { met: ours * 1e6 <= GOAL_BYTES, figure: `${ours.toFixed(2)} MB` };
      }),
    ],
  };
}
