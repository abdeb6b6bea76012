/**
 * The id of the container that this process runs in, where the kernel shows it: the resource attribute container.id of OpenTelemetry.
 *
 * Runtimes name the control group of a container after it (cgroup v1, and v2 without a namespace of its own). In a control group namespace that says nothing; then the
 * files that the runtime mounts over the container's host name and the like still lie in a folder of that name on the host.
 */
import { readFileSync } from 'node:fs';

/** What Docker, containerd, CRI-O and podman make up; sometimes between a prefix and a suffix of theirs, as in `cri-containerd-….scope`. */
const IN_CGROUP = /(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?$/;
/** Mounts over these are a container's own; those of a pod that are shared by its containers are not among them. */
const IN_MOUNTS = /\/containers\/(?:overlay-containers\/)?([0-9a-f]{64})\/(?:userdata\/)?(?:hostname|resolv\.conf|hosts) \/etc\/(?:hostname|resolv\.conf|hosts) /;

/** @returns undefined outside of a container, or where it cannot be known */
export function containerId(): string | undefined {
  return fromCgroup(read('/proc/self/cgroup')) ?? fromMounts(read('/proc/self/mountinfo'));
}

/** @param text as in /proc/self/cgroup */
export function fromCgroup(text: string): string | undefined {
  return first(text, IN_CGROUP);
}

/** @param text as in /proc/self/mountinfo */
export function fromMounts(text: string): string | undefined {
  return first(text, IN_MOUNTS);
}

function first(text: string, pattern: RegExp): string | undefined {
  for (const line of text.split('\n')) {
    const found = pattern.exec(line)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
