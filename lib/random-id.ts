/**
 * Random identifiers that two processes never share.
 *
 * Node's own crypto.randomUUID() hands out ids from a store that a fork copies: parent and child then get the same ones. And OpenSSL's
 * generator is guarded by a lock that a thread of the pool may hold for ever in a child. The kernel has neither problem.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** A UUID of version 4. */
export function randomId(): string {
  try {
    return kernelId();
  } catch {
    // No /proc in this sandbox. Loaded only here: importing this package shall stay cheap.
    return process.getBuiltinModule('node:crypto').randomUUID({ disableEntropyCache: true });
  }
}

/** Not by readFileSync(): the first start() of a process would be the first to call it, and has called these already. */
function kernelId(): string {
  const file = openSync('/proc/sys/kernel/random/uuid', 'r');
  try {
    const text = Buffer.alloc(36);
    if (readSync(file, text, 0, text.length, null) !== text.length) throw new Error('too short');
    return text.toString('latin1');
  } finally {
    closeSync(file);
  }
}
