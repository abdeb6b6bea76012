// What the figures were taken on.
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { nodePath } from '../../__test__/helpers/nodes.mjs';

const versionOf = (major) => execFileSync(nodePath(major), ['--version'], { encoding: 'utf8' }).trim();

/** One sentence for each thing that matters to the figures. */
export function describeMachine(majors) {
  const processors = cpus();
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  return {
    processors: `${processors.length} virtual cores, ${processors[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `Linux ${release().split('-')[0]}, glibc ${glibc}`,
    nodes: majors.map(versionOf).join(', '),
    load: `load average at the beginning ${loadavg()[0].toFixed(2)}`,
  };
}
