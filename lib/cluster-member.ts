/**
 * One worker's part in a cluster session, as the primary sees it: what it has delivered, what went wrong, and whether it is still there.
 *
 * A worker may be killed, hang or end by itself at any moment. Whatever it has handed over by then counts; the rest is an error in the next
 * result. Nothing here waits: the session does, and for a bounded time.
 */
import type { Link } from './cluster-hook.js';
import { type Answer, type Command, encodeFrame, FrameReader, type StartOrder, type WireFailure } from './cluster-wire.js';
import { PronghornError } from './errors.js';
import type { LastWill } from './last-will.js';
import { StringTable } from './merge-tables.js';
import type { Stats } from './native-api.js';
import { ProfileFields } from './pprof-fields.js';

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
  #harvest: Harvest = { deliveries: [], errors: [] };
  /** It has handed over its last period, or never had one. */
  #complete = false;
  #over = false;

  constructor(link: Link, order: StartOrder, lastWill: LastWill | undefined) {
    this.#link = link;
    this.#session = order.session;
    this.#lastWill = lastWill;
    this.workerId = link.worker.id;
    this.processId = link.worker.process.pid;
    link.onData = (chunk) => this.#heard(chunk);
    link.worker.process.once('exit', this.#onExit);
    // A worker that was forked with the order needs none.
    if (link.order?.session !== order.session) this.#say({ do: 'start', ...order });
  }

  /** Whether its process has ended and nothing more will come. */
  get over(): boolean {
    return this.#over;
  }

  /** Asks for a period. @returns a promise for the answer, or for the worker's end; it never rejects, and may stay pending for ever */
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
    if (answer.is === 'started') {
      // The reason comes again with the answer to each request.
      this.#complete = answer.error !== undefined;
      return;
    }
    if (answer.error === undefined) {
      const { startTimeNanos, endTimeNanos, stats } = answer.period;
      this.#harvest.deliveries.push({ data: payload, startTimeNanos: BigInt(startTimeNanos), endTimeNanos: BigInt(endTimeNanos), stats });
      if (answer.request === undefined) this.#complete = true;
    } else {
      this.#harvest.errors.push(fromWire(answer.error));
    }
    if (answer.request === undefined) return;
    const request = this.#pending.get(answer.request);
    this.#pending.delete(answer.request);
    if (request?.what === 'stop') this.#complete = true;
    request?.answered();
  }

  /** What it has said last may arrive after the news of its end. The hook destroys a socket that somebody else holds open. */
  #exited(how: string): void {
    const { socket } = this.#link;
    if (socket.closed) this.#ended(how);
    else socket.once('close', () => this.#ended(how));
  }

  #ended(how: string): void {
    if (this.#over) return;
    this.#over = true;
    const data = this.#lastWill?.take();
    const saved = data === undefined ? undefined : deliveryOf(data);
    if (saved !== undefined) this.#harvest.deliveries.push(saved);
    else if (!this.#complete) {
      const message = `cluster worker ${this.workerId} (process ${this.processId}) ended (${how}) before it delivered its last profile`;
      this.#harvest.errors.push(new PronghornError('ERR_PRONGHORN_WORKER_LOST', message));
    }
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

function fromWire({ code, message }: WireFailure): PronghornError {
  return new PronghornError(code, message);
}
