/**
 * Passes the messages of an IPC channel on, both ways, handles and the end of the channel included.
 */
import type { ChildProcess, SendHandle } from 'node:child_process';

/** A relay at work. */
export interface Relay {
  /** Resolves when the program's last messages have gone on to our parent. Call it after the program has ended. */
  finish(): Promise<void>;
}

/** How long messages of a program that has ended may still be under way, in milliseconds. */
const FINISH_MS = 1_000;

/** Connects our parent's channel with a child's. Both must have one. */
export function relayMessages(child: ChildProcess): Relay {
  const pending = new Set<Promise<void>>();

  const down = (message: unknown, handle: unknown): void => {
    if (child.connected) child.send(message as object, handle as SendHandle, () => undefined);
  };
  const up = (message: unknown, handle: SendHandle): void => {
    if (!process.connected || process.send === undefined) return;
    const { promise, resolve } = deferred();
    pending.add(promise);
    // An error means that our parent has gone, which is not the program's affair.
    process.send(message, handle, {}, () => {
      pending.delete(promise);
      resolve();
    });
  };
  const parentGone = (): void => {
    if (child.connected) child.disconnect();
  };
  const childGone = deferred();
  process.on('message', down);
  process.on('disconnect', parentGone);
  child.on('message', up);
  child.on('disconnect', () => {
    childGone.resolve();
    // The program may close its channel and live on.
    void settle(pending).then(() => {
      if (process.connected) process.disconnect();
    });
  });

  return {
    async finish() {
      if (child.connected) await within(childGone.promise, FINISH_MS);
      await within(settle(pending), FINISH_MS);
      process.removeListener('message', down);
      process.removeListener('disconnect', parentGone);
    },
  };
}

async function settle(pending: ReadonlySet<Promise<void>>): Promise<void> {
  await Promise.all(pending);
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function within(promise: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
