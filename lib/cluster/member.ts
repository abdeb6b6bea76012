/**
 * One worker's part in a cluster session, as the primary sees it: what it has delivered, what went wrong, and whether it is still there.
 *
 * A worker may be killed, hang or end by itself at any moment. Whatever it has handed over by then counts; the rest is an error in the next
 * result. Nothing here waits: the session does, and for a bounded time.
 */
import type { Link } from './hook.js';
import { type Answer, type Command, encodeFrame, FrameReader, type StartOrder, type WireFailure } from './wire.js';
import { PronghornError } from '../errors.js';
import type { LastWill } from './last-will.js';
import { StringTable } from '../pprof/merge-tables.js';
import type { Stats } from '../native-api.js';
import { ProfileFields } from '../pprof/fields.js';

/** A period that a process has delivered. */
export interface Delivery {
  data: Buffer;
  startTimeNanos: bigint;
  endTimeNanos: bigint;
  /** Unknown if a signal ended the process: then nothing but the profile could be saved. */
  stats: Stats | undefined;
}

/** What has come from a worker since this was asked for the last time. */
export interface Harvest {
  deliveries: Delivery[];
  errors: PronghornError[];
}

/** How long the news of a worker's end may take after its pipe has closed, in milliseconds. */
const END_MS = 500;

/** A worker that takes part, or was asked to. */
export class ClusterMember {
  readonly workerId: number;
  readonly processId: number | undefined;
  readonly #link: Link;
  readonly #session: string;
  readonly #lastWill: LastWill | undefined;
  readonly #frames = new FrameReader();
  /** Who waits for the answer to a request. */
  readonly #pending = new Map<number, { what: 'rotate' | 'stop'; answered: () => void }>();
  readonly #onExit = (code: number | null, signal: string | null): void => this.#exited(signal ?? `exit code ${code}`);
  readonly #onClose = (): void => this.#closed();
  #harvest: Harvest = { deliveries: [], errors: [] };
  /** It has handed over its last period, or never had one. */
  #complete = false;
  /** The last that was heard of it is that it is about to become another program, and has handed over all it had. */
  #executing = false;
  /** Where the period begins that it has to deliver next, as far as that is known. */
  #next: { at: bigint; exactly: boolean } | undefined;
  /** How its process has ended. */
  #how: string | undefined;
  #endTimer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(link: Link, order: StartOrder, lastWill: LastWill | undefined) {
    this.#link = link;
    this.#session = order.session;
    this.#lastWill = lastWill;
    this.workerId = link.worker.id;
    this.processId = link.worker.process.pid;
    link.onData = (chunk) => this.#heard(chunk);
    link.worker.process.once('exit', this.#onExit);
    link.socket.once('close', this.#onClose);
    // A worker that was forked with the order needs none.
    if (link.order?.session !== order.session) this.#say({ do: 'start', ...order });
  }

  /** Whether nothing more will come: its process has ended, or its pipe is closed. */
  get over(): boolean {
    return this.#over;
  }

  /** Asks for a period. @returns a promise for the answer, or for the end of the worker or its pipe; it never rejects, and may stay pending for ever */
  ask(what: 'rotate' | 'stop', request: number): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#pending.set(request, { what, answered: resolve });
      this.#say({ do: what, session: this.#session, request });
    });
  }

  /**
   * What there is since the last time.
   *
   * @param request the one that was waited for
   */
  take(request: number, waitedMs: number): Harvest {
    const harvest = this.#harvest;
    this.#harvest = { deliveries: [], errors: [] };
    if (this.#pending.has(request) && !this.#over) {
      const message = `cluster worker ${this.workerId} (process ${this.processId}) did not answer within ${waitedMs} ms; is its main thread busy?`;
      harvest.errors.push(new PronghornError('ERR_PRONGHORN_WORKER_TIMEOUT', message));
    }
    return harvest;
  }

  /** The session is over, or this process is a child of a fork: nothing more is listened to. */
  dispose(): void {
    this.#link.onData = undefined;
    this.#link.worker.process.removeListener('exit', this.#onExit);
    this.#link.socket.removeListener('close', this.#onClose);
    clearTimeout(this.#endTimer);
    this.#pending.clear();
    this.#lastWill?.close();
  }

  #say(command: Command): void {
    // Errors, such as that of a worker which has just gone, are handled where the link was made.
    if (!this.#link.socket.destroyed) this.#link.socket.write(encodeFrame(command));
  }

  #heard(chunk: Buffer): void {
    try {
      for (const { header, payload } of this.#frames.push(chunk)) this.#answer(header as Answer, payload);
    } catch {
      // Not our messages: it is as good as gone.
      this.#link.socket.destroy();
    }
  }

  #answer(answer: Answer, payload: Buffer): void {
    if (answer.session !== this.#session) return;
    this.#executing = false;
    if (answer.is === 'goesOn') return;
    if (answer.is === 'started') {
      // The reason comes again with the answer to each request.
      if (answer.error !== undefined) this.#complete = true;
      else this.#next = { at: BigInt(answer.begunByNanos), exactly: false };
      return;
    }
    if (answer.error === undefined) {
      const { startTimeNanos, endTimeNanos, stats } = answer.period;
      const delivery = { data: payload, startTimeNanos: BigInt(startTimeNanos), endTimeNanos: BigInt(endTimeNanos), stats };
      this.#harvest.deliveries.push(delivery);
      this.#next = { at: delivery.endTimeNanos, exactly: true };
      if (answer.failure !== undefined) this.#harvest.errors.push(fromWire(answer.failure));
    } else {
      this.#harvest.errors.push(fromWire(answer.error));
      // It may have been a period's end or not.
      this.#next = undefined;
    }
    if (answer.request === undefined) {
      if (answer.error === undefined && answer.exec === true) this.#executing = true;
      else if (answer.error === undefined) this.#complete = true;
      return;
    }
    const request = this.#pending.get(answer.request);
    this.#pending.delete(answer.request);
    if (request?.what === 'stop') this.#complete = true;
    request?.answered();
  }

  /** What it has said last may arrive after the news of its end. The hook destroys a socket that somebody else holds open. */
  #exited(how: string): void {
    this.#how = how;
    if (this.#link.socket.closed) this.#ended(how);
  }

  /** A worker that ends closes its pipe, mostly before the news of its end. One that lives on without it cannot be asked any more. */
  #closed(): void {
    if (this.#how !== undefined) this.#ended(this.#how);
    else this.#endTimer = setTimeout(() => this.#leftUs(), END_MS).unref();
  }

  #ended(how: string): void {
    const data = this.#lastWill?.take();
    const saved = data === undefined ? undefined : deliveryOf(data);
    if (saved !== undefined) {
      this.#nameGapBefore(saved, how);
      this.#harvest.deliveries.push(saved);
    } else if (!this.#over && !this.#complete && !this.#executing) this.#lost(`ended (${how}) before it delivered its last profile`);
    this.#finish();
  }

  #leftUs(): void {
    if (!this.#complete && !this.#executing) {
      this.#lost('lives, but has closed its pipe to the profiler or sent what the profiler does not understand; what came after its last profile is lost');
    }
    this.#finish();
  }

  /**
   * Periods follow each other without a gap. If there is one before the last, that period waited to be handed over, in a worker whose main thread was
   * busy, when the signal came; or the worker's own code has rotated the profiler.
   */
  #nameGapBefore({ startTimeNanos }: Delivery, how: string): void {
    const next = this.#next;
    if (next === undefined || (next.exactly ? startTimeNanos === next.at : startTimeNanos <= next.at)) return;
    this.#lost(`ended (${how}) before it delivered its profile of the time from ${dateOf(next.at)} to ${dateOf(startTimeNanos)}`);
  }

  #lost(what: string): void {
    this.#harvest.errors.push(new PronghornError('ERR_PRONGHORN_WORKER_LOST', `cluster worker ${this.workerId} (process ${this.processId}) ${what}`));
  }

  #finish(): void {
    clearTimeout(this.#endTimer);
    this.#over = true;
    for (const { answered } of this.#pending.values()) answered();
    this.#pending.clear();
  }
}

/** A profile that a signal's handler has written. Undefined if the process ended in the middle of it. */
function deliveryOf(data: Buffer): Delivery | undefined {
  try {
    const { timeNanos, durationNanos } = new ProfileFields(data, new StringTable()).header();
    const startTimeNanos = BigInt(timeNanos);
    return { data, startTimeNanos, endTimeNanos: startTimeNanos + BigInt(durationNanos), stats: undefined };
  } catch {
    return undefined;
  }
}

function dateOf(nanos: bigint): string {
  return new Date(Number(nanos / 1_000_000n)).toISOString();
}

function fromWire({ code, message }: WireFailure): PronghornError {
  return new PronghornError(code, message);
}
