/**
 * Which file a descriptor stands for. A descriptor is a number, which an application that closes what it does not know may have given to a file of
 * its own since: whoever keeps one for long asks before he writes to it or closes it.
 */
import { fstatSync } from 'node:fs';

/** Device and inode of what is open under that number; undefined if nothing is. */
export function fileIdentity(fd: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
