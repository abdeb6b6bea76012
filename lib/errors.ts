/**
 * Every error this package throws or rejects with. Each has a stable `code`; messages may change between versions.
 */

/** The stable codes. docs/api.md says what each one means. */
export type ErrorCode =
  | 'ERR_PRONGHORN_INVALID_OPTION'
  | 'ERR_PRONGHORN_ALREADY_STARTED'
  | 'ERR_PRONGHORN_NOT_STARTED'
  | 'ERR_PRONGHORN_UNSUPPORTED_RUNTIME'
  | 'ERR_PRONGHORN_ROTATION_IN_PROGRESS'
  | 'ERR_PRONGHORN_SERIALIZE_FAILED'
  | 'ERR_PRONGHORN_WRITE_FAILED'
  | 'ERR_PRONGHORN_EXPORT_FAILED'
  | 'ERR_PRONGHORN_INVALID_PROFILE'
  | 'ERR_PRONGHORN_INCOMPATIBLE_PROFILES'
  | 'ERR_PRONGHORN_LISTEN_FAILED'
  | 'ERR_PRONGHORN_ABORTED'
  | 'ERR_PRONGHORN_FORKED'
  | 'ERR_PRONGHORN_FORKED_IN_WORKER'
  | 'ERR_PRONGHORN_WORKER_UNREACHABLE'
  | 'ERR_PRONGHORN_WORKER_LOST'
  | 'ERR_PRONGHORN_WORKER_TIMEOUT'
  | 'ERR_PRONGHORN_INTERNAL';

/** Codes that the native half uses; any other code it might send becomes ERR_PRONGHORN_INTERNAL. */
const NATIVE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_PRONGHORN_INVALID_OPTION',
  'ERR_PRONGHORN_ALREADY_STARTED',
  'ERR_PRONGHORN_NOT_STARTED',
  'ERR_PRONGHORN_UNSUPPORTED_RUNTIME',
  'ERR_PRONGHORN_ROTATION_IN_PROGRESS',
  'ERR_PRONGHORN_SERIALIZE_FAILED',
  'ERR_PRONGHORN_INVALID_PROFILE',
  'ERR_PRONGHORN_FORKED',
  'ERR_PRONGHORN_FORKED_IN_WORKER',
  'ERR_PRONGHORN_INTERNAL',
]);

/** Base class of all errors of this package. */
export class PronghornError extends Error {
  /** What went wrong, as a constant to compare with. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  override get name(): string {
    return 'PronghornError';
  }
}

/** An option that is unknown, or whose value is not allowed. */
export class InvalidOptionError extends PronghornError {
  /** The option as the caller wrote it: a property, an environment variable or a command-line flag. */
  readonly option: string;
  /** The value it had. */
  readonly value: unknown;
  /** What is allowed, as a phrase. */
  readonly allowed: string;

  constructor(option: string, value: unknown, allowed: string, message?: string) {
    super('ERR_PRONGHORN_INVALID_OPTION', message ?? `${option} must be ${allowed}; it is ${describe(value)}`);
    this.option = option;
    this.value = value;
    this.allowed = allowed;
  }
}

/** The profiler runs already, with other options or for a caller who has it for himself. */
export class AlreadyStartedError extends PronghornError {
  /** File and line of the call that started it, or the module that did. */
  readonly startedBy: string;

  constructor(startedBy: string, because: string) {
    super('ERR_PRONGHORN_ALREADY_STARTED', `the profiler was started by ${startedBy} ${because}`);
    this.startedBy = startedBy;
  }
}

/** `profile()` was aborted through its `signal`; `cause` is the signal's reason. Its `name` is AbortError, as Node's own. */
export class AbortedError extends PronghornError {
  constructor(reason: unknown) {
    super('ERR_PRONGHORN_ABORTED', 'profile() was aborted; the profiler has been stopped', { cause: reason });
  }

  override get name(): string {
    return 'AbortError';
  }
}

/** A cluster worker that takes no part: it was forked too early, or does not answer. */
export class WorkerUnreachableError extends PronghornError {
  /** The worker's `id` in its cluster. */
  readonly workerId: number;
  /** Its process id; undefined if it has none any more. */
  readonly processId: number | undefined;

  constructor(workerId: number, processId: number | undefined, because: string) {
    const process = processId === undefined ? '' : ` (process ${processId})`;
    super('ERR_PRONGHORN_WORKER_UNREACHABLE', `cluster worker ${workerId}${process} takes no part: ${because}`);
    this.workerId = workerId;
    this.processId = processId;
  }
}

/**
 * Turns whatever the native half threw into an error of this package, with the original as its cause.
 *
 * @param error the value thrown or rejected with
 */
export function fromNative(error: unknown): PronghornError {
  if (error instanceof PronghornError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return new PronghornError(nativeCode(code), message, { cause: error });
}

/** The stable code for what the native half calls `code`. */
export function nativeCode(code: unknown): ErrorCode {
  return typeof code === 'string' && NATIVE_CODES.has(code) ? (code as ErrorCode) : 'ERR_PRONGHORN_INTERNAL';
}

/** A value as it reads best inside a message: short, quoted if it is a string, never throwing. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return value.toString();
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The error of stop() and rotate() where nothing runs. */
export function notStarted(): PronghornError {
  return new PronghornError('ERR_PRONGHORN_NOT_STARTED', 'the profiler does not run; call start() first');
}
