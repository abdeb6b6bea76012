/**
 * What primary and workers say to each other about profiling, and how it is framed: a header in JSON and a payload of bytes, with the length of each
 * before them. The pipe they use belongs to this package alone.
 *
 * The primary sends commands, numbered within a session; the worker answers each with `started` or `part`, and adds a `part` without a number
 * when it ends. Before it becomes another program it sends a `part` marked `exec`, and `goesOn` if it did not become one.
 */
import type { Socket } from 'node:net';
import { type ErrorCode, PronghornError } from '../errors.js';
import type { Stats } from '../native-api.js';
import type { LastWillAddress } from './last-will.js';
import type { ResolvedOptions, TestOptions } from '../options.js';

/** How a worker is to profile itself. */
export interface StartOrder {
  session: string;
  options: ResolvedOptions;
  test: TestOptions;
  /** A file of the primary's into which the native half writes the last profile if a signal ends the worker. */
  lastWill: LastWillAddress | undefined;
}

/** What the environment variable says that a fork of a worker carries. */
export interface AgentSetting {
  /** The worker's end of the pipe. */
  fd: number;
  /** Set if a session runs at the fork. */
  start?: StartOrder;
}

/** From the primary. */
export type Command =
  | ({ do: 'start' } & StartOrder)
  | { do: 'rotate' | 'stop'; session: string; request: number };

/**
 * From a worker. `begunByNanos` is a moment in the first period, as near to its start as can be; `failure` why the profiler had switched itself off
 * by the end of a period.
 */
export type Answer = { session: string } & (
  | { is: 'started'; begunByNanos: string; error?: undefined }
  | { is: 'started'; error: WireFailure }
  | { is: 'part'; request?: number | undefined; period: PartPeriod; exec?: true; failure?: WireFailure | undefined; error?: undefined }
  | { is: 'goesOn' }
  | { is: 'part'; request?: number | undefined; error: WireFailure }
);

/** When a part begins and ends, in decimal nanoseconds since the epoch, and the counters at its end. */
export interface PartPeriod {
  startTimeNanos: string;
  endTimeNanos: string;
  stats: Stats;
}

/** An error of this package on its way. */
export interface WireFailure {
  code: ErrorCode;
  message: string;
}

/** What lib/cluster/worker.ts exports, for the agent, which loads it late. */
export interface WorkerHalf {
  serveCluster(socket: Socket, setting: AgentSetting): void;
}

/** One message. */
export interface Frame {
  header: unknown;
  payload: Buffer;
}

const PREFIX_BYTES = 8;
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
/** What a profile may have; the largest seen are a few MB. */
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;

/** The bytes of a message. */
export function encodeFrame(header: Command | Answer, payload: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(text.length, 0);
  prefix.writeUInt32BE(payload.length, 4);
  return Buffer.concat([prefix, text, payload]);
}

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /**
   * Takes the next bytes.
   *
   * @returns the messages that are complete now
   * @throws if these are not our messages; the stream is then of no more use
   */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      const prefix = this.#length >= PREFIX_BYTES ? this.#peek(PREFIX_BYTES) : undefined;
      if (prefix === undefined) return frames;
      const headerBytes = prefix.readUInt32BE(0);
      const payloadBytes = prefix.readUInt32BE(4);
      if (headerBytes > MAX_HEADER_BYTES || payloadBytes > MAX_PAYLOAD_BYTES) throw new Error('this is no message of the profiler');
      if (this.#length < PREFIX_BYTES + headerBytes + payloadBytes) return frames;
      this.#take(PREFIX_BYTES);
      const header: unknown = JSON.parse(this.#take(headerBytes).toString('utf8'));
      frames.push({ header, payload: this.#take(payloadBytes) });
    }
  }

  #peek(count: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= count) return first;
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  #take(count: number): Buffer {
    const whole = this.#peek(count);
    this.#chunks[0] = whole.subarray(count);
    this.#length -= count;
    return whole.subarray(0, count);
  }
}

/** An error, ready to be sent. */
export function toWire(error: unknown): WireFailure {
  if (error instanceof PronghornError) return { code: error.code, message: error.message };
  return { code: 'ERR_PRONGHORN_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
