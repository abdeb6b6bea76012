/**
 * What a file is called until it is whole, and which of such files nobody will ever finish: a process that is killed, or ends while its thread pool writes, leaves one.
 *
 * The name says who writes it: the start of the machine, the namespace of process ids, the process. Only where the first two are ours can it be known that the
 * writer is gone; another machine or container that shares the folder may have a process of that number.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { randomId } from './random-id.js';
import { realPid } from './real-pid.js';

const NAME = /^\.pronghorn-(?:([0-9a-f]{8}-\d+)-(\d+)-)?[0-9a-f-]{36}\.tmp$/;

/** In the place of both where there is no /proc: then nobody can be looked for. */
const UNKNOWN = '00000000-0';

/** A file whose writer cannot be looked for belongs to nobody when it has not changed for so long. Nobody takes a day to write a profile. */
const LONGEST_WRITE_MS = 86_400_000;

/** A free name in the same folder, since a rename does not cross file systems. It is short however long the target's is. */
export function temporaryName(target: string): string {
  return resolve(dirname(target), `.pronghorn-${surroundings()}-${realPid()}-${randomId()}.tmp`);
}

/** Whether a file of this name is one that is not whole, of whatever process. */
export function isTemporary(name: string): boolean {
  return NAME.test(name);
}

/**
 * Whether nobody will finish it.
 *
 * @param name of a file that isTemporary()
 * @param unchangedMs for how long it has not changed, by the clock of the day
 */
export function isAbandoned(name: string, unchangedMs: number): boolean {
  if (unchangedMs > LONGEST_WRITE_MS) return true;
  const [, where, pid] = NAME.exec(name) ?? [];
  // The number may be somebody else's by now; then the file goes after a day.
  return where !== undefined && where !== UNKNOWN && where === surroundings() && !isAlive(Number(pid));
}

/** Not by /proc, where the processes of other users may be hidden. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** The same for two processes only if one's process ids mean something to the other. Read each time: a child of clone(2) may be somewhere else. */
function surroundings(): string {
  try {
    const start = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
    const [namespace = '0'] = /\d+/.exec(readlinkSync('/proc/self/ns/pid')) ?? [];
    return `${start}-${namespace}`;
  } catch {
    return UNKNOWN;
  }
}
