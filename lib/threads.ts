/**
 * The worker threads that this thread makes: their names, and the ids that the kernel gives them. The native half finds worker
 * threads by itself; what it cannot see is what they are called, and, while the whole process sleeps, that there is a new one.
 *
 * Node publishes each Worker right after its thread was made, before the constructor returns. The newest thread of the process is
 * then the worker's. Workers made between the import of this package and the start of the profiler are remembered (weakly) until it
 * starts. No handle and no timer: the process ends when it would have ended.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { opendirSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import type { ForkComponent } from './fork/component.js';
import type { NativeApi } from './native-api.js';

/** The channel on which Node publishes `{ worker }`. */
const CHANNEL = 'worker_threads';
/** The kernel's list of this process's threads, oldest first. */
const TASKS = '/proc/self/task';
/** What Node calls a worker without a name, from 24 on. */
const UNNAMED = 'WorkerThread';
const MAJOR = Number(process.versions.node.split('.')[0]);

type Teller = Pick<NativeApi, 'nameThread' | 'workerName'>;

interface Known {
  worker: WeakRef<Worker>;
  tid: number;
}

/** All that is remembered; a fork replaces it whole. */
interface State {
  watching: boolean;
  teller: Teller | undefined;
  known: Known[];
}

const fresh = (): State => ({ watching: false, teller: undefined, known: [] });

/** The workers that the calling thread makes. One object per thread: {@link workers}. */
export class Workers implements ForkComponent {
  readonly name = 'workers';
  #state = fresh();
  readonly #listTasks: () => number[];
  readonly #onWorker = (message: unknown): void => this.#made((message as { worker: Worker }).worker);

  /** @param listTasks the ids of this process's threads, oldest first; may throw */
  constructor(listTasks: () => number[] = tasks) {
    this.#listTasks = listTasks;
  }

  /** Begins to remember workers. Called when the package is imported; again, it changes nothing. */
  watch(): void {
    if (this.#state.watching) return;
    subscribe(CHANNEL, this.#onWorker);
    this.#state.watching = true;
  }

  /** Tells the native half of every worker, those that live and those to come. */
  tell(native: Teller): void {
    this.watch();
    this.#state.teller = native;
    this.#forgetDead();
    for (const known of this.#state.known) this.#name(known);
  }

  /** Tells nobody any more; goes on remembering. */
  silence(): void {
    this.#state.teller = undefined;
  }

  /** Hears of no worker any more, until watch() or tell(). */
  hooksOff(): void {
    unsubscribe(CHANNEL, this.#onWorker);
    this.#state.watching = false;
  }

  /** In a child of fork(2) none of these threads exists. */
  resetAfterFork(): void {
    this.#state = fresh();
  }

  /** How many living workers are remembered. */
  get size(): number {
    this.#forgetDead();
    return this.#state.known.length;
  }

  /** Runs inside the constructor of a Worker, whose caller must not notice. */
  #made(worker: Worker): void {
    try {
      this.#forgetDead();
      // The first is the main thread; its id is not `process.pid` in a child of fork(2).
      const tid = this.#listTasks().slice(1).at(-1);
      // Where the thread could not be made, the newest one is somebody else's.
      if (tid === undefined || this.#state.known.some((known) => known.tid === tid)) return;
      const known = { worker: new WeakRef(worker), tid };
      this.#state.known.push(known);
      this.#name(known);
    } catch {
      // Without /proc, or in a process that was just forked off: the worker is found later, and is called "worker".
    }
  }

  #name({ worker, tid }: Known): void {
    const [native, alive] = [this.#state.teller, worker.deref()];
    if (native !== undefined && alive !== undefined) native.nameThread(tid, nameOf(alive, native));
  }

  /** A Worker's threadId is -1 from its exit on. */
  #forgetDead(): void {
    this.#state.known = this.#state.known.filter(({ worker }) => (worker.deref()?.threadId ?? -1) !== -1);
  }
}

/** The workers of this thread. */
export const workers = new Workers();

/** A thread's name as Node tells it, unless that says only that it is a worker. */
export function givenName(threadName: string | null | undefined): string | undefined {
  return threadName && threadName !== UNNAMED ? threadName : undefined;
}

/** What a worker is called in profiles: its `name`, or its number if it has none. */
export function nameOf(worker: Worker, native: Teller): string {
  const { threadName } = worker as { threadName?: string | null };
  const name = threadName === undefined ? hiddenName(worker, native) : threadName;
  return givenName(name) ?? `worker ${worker.threadId}`;
}

/** Node 20 keeps the name where JavaScript does not see it. */
function hiddenName(worker: Worker, native: Teller): string | null {
  const symbol = Object.getOwnPropertySymbols(worker).find(({ description }) => description === 'kHandle');
  const handle: unknown = symbol && (worker as unknown as Record<symbol, unknown>)[symbol];
  const isNodes = typeof handle === 'object' && handle !== null && handle.constructor.name === 'Worker' && handle !== worker;
  return isNodes && MAJOR === 20 ? native.workerName(handle, worker.threadId) : null;
}

function tasks(): number[] {
  const ids: number[] = [];
  const directory = opendirSync(TASKS, { bufferSize: 128 });
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) ids.push(Number(entry.name));
  } finally {
    directory.closeSync();
  }
  return ids;
}
