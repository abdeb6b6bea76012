/**
 * Random identifiers that two processes never share.
 *
 * Node's own crypto.randomUUID() hands out ids from a store that a fork copies: parent and child then get the same ones. And OpenSSL's
 * generator is guarded by a lock that a thread of the pool may hold for ever in a child. The kernel has neither problem.
 */
import { readFileSync } from 'node:fs';
import type crypto from 'node:crypto';
import { createRequire } from 'node:module';

/** A UUID of version 4. */
export function randomId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim();
  } catch {
    // No /proc in this sandbox. Loaded only here: importing this package shall stay cheap.
    const { randomUUID } = createRequire(import.meta.url)('node:crypto') as typeof crypto;
    return randomUUID({ disableEntropyCache: true });
  }
}
