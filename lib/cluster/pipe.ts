/**
 * A worker's end of the pipe to its primary, as far as writing goes.
 *
 * It writes to the descriptor itself and not through the stream: at the `exit` event nothing asynchronous happens any more, and what is left of a
 * message must go out then, from exactly where it stopped. The pipe does not block, so a full one is tried again: by a timer that keeps
 * nothing alive, or at the end by waiting, for a bounded time. A primary that does not read costs a worker nothing but that.
 *
 * An application may close descriptors that it does not know (daemons do), and open a file of its own under the number of this one. So before anything is
 * written, the descriptor must still be what it was.
 *
 * A child of fork(2) has the descriptor, the queue and the timer of its parent, and may come here before it is reset: it writes nothing.
 */
import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type Answer, encodeFrame } from './wire.js';
import { fileIdentity } from '../file-identity.js';
import { realPid } from '../real-pid.js';

/** Between two attempts to write into a full pipe, in milliseconds. */
const RETRY_MS = 5;

/** Writes answers. */
export class AnswerPipe {
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #queue: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Whose pipe it is. */
  readonly #pid = realPid();
  readonly #identity: string | undefined;

  /** @param fd the socket's; it is written to only while the socket holds it open */
  constructor(socket: Socket, fd: number) {
    this.#socket = socket;
    this.#fd = fd;
    this.#identity = fileIdentity(fd);
  }

  /** Sends, now or as soon as the primary reads. */
  send(answer: Answer, payload?: Uint8Array): void {
    this.#queue.push(encodeFrame(answer, payload));
    if (this.#timer === undefined) this.#writeOrRetry();
  }

  /**
   * Writes all that is left, on this thread.
   *
   * @param ms how long to wait for a primary that does not read
   */
  flushSync(ms: number): void {
    clearTimeout(this.#timer);
    const deadline = performance.now() + ms;
    const nobody = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#write() && performance.now() < deadline) Atomics.wait(nobody, 0, 0, 1);
  }

  #writeOrRetry(): void {
    this.#timer = undefined;
    if (!this.#write()) this.#timer = setTimeout(() => this.#writeOrRetry(), RETRY_MS).unref();
  }

  /** @returns whether nothing is left */
  #write(): boolean {
    if (realPid() !== this.#pid || fileIdentity(this.#fd) !== this.#identity) this.#queue.length = 0;
    while (this.#queue.length > 0) {
      if (this.#socket.destroyed) {
        this.#queue.length = 0;
        return true;
      }
      const [first] = this.#queue;
      try {
        const written = writeSync(this.#fd, first!);
        if (written < first!.length) this.#queue[0] = first!.subarray(written);
        else this.#queue.shift();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
        // The primary has gone.
        this.#queue.length = 0;
      }
    }
    return true;
  }
}
