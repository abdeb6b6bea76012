/**
 * Loads the native half, once, when it is first needed: on the main thread, when the package is imported.
 *
 * Importing this package must never throw: not on another platform, not with `--permission` or `--no-addons`, not with a damaged
 * binary. So what goes wrong is kept as a reason that `start()` reports.
 */
import { damageOf, findBinary } from './binary.js';
import { PronghornError } from './errors.js';
import type { NativeApi } from './native-api.js';
import { libcName, libcOfProcess, platformOf, type Libc } from './platform.js';

let loaded: NativeApi | undefined;
let refusal: string | undefined;

/**
 * The native half.
 *
 * @throws PronghornError ERR_PRONGHORN_UNSUPPORTED_RUNTIME with the reason, and how to allow it where that can be
 */
export function loadNative(): NativeApi {
  if (loaded !== undefined) return loaded;
  refusal ??= tryToLoad();
  if (loaded !== undefined) return loaded;
  throw new PronghornError('ERR_PRONGHORN_UNSUPPORTED_RUNTIME', refusal ?? 'the native part could not be loaded');
}

/** Loads, or says why not. */
function tryToLoad(): string | undefined {
  const foreign = foreignRuntime(process);
  if (foreign !== undefined) return foreign;
  const libc = libcOfProcess();
  const platform = platformOf(process, libc);
  if ('reason' in platform) return platform.reason;
  try {
    const path = findBinary(platform.name);
    const damage = damageOf(path);
    if (damage !== undefined) return `the native part is damaged (${damage}); install pronghorn again`;
    // What require() comes to, without its search and its cache, which take as long again. Whoever loads it twice gets two objects for one library.
    const module = { exports: {} };
    process.dlopen(module, path);
    const candidate = module.exports as NativeApi;
    const probe = candidate.probe();
    if (!probe.supported) return probe.reason;
    loaded = candidate;
    return undefined;
  } catch (error) {
    return loadFailure(error, process, libc);
  }
}

/** The part of `process` that the decisions below look at. */
export interface Runtime {
  versions: Readonly<Record<string, string | undefined>>;
  platform: string;
  arch: string;
  config: { variables: unknown };
  permission?: unknown;
}

/**
 * Runtimes that would load the native half but keep their JavaScript stacks in another way than Node does.
 *
 * @returns the reason not to run here, or undefined
 */
export function foreignRuntime(runtime: Runtime): string | undefined {
  const { versions } = runtime;
  const otherwise = 'pronghorn reads the stacks of V8 as Node.js lays them out; run the program with node';
  if (versions['bun'] !== undefined) return `this is Bun ${versions['bun']}, whose engine is not V8: ${otherwise}`;
  if (versions['deno'] !== undefined) return `this is Deno ${versions['deno']}: ${otherwise}`;
  if (versions['electron'] !== undefined) return `this is Electron ${versions['electron']}, whose V8 is built differently: ${otherwise}`;
  const compressed = (runtime.config.variables as Record<string, unknown>)['v8_enable_pointer_compression'];
  if (compressed === 1 || compressed === true) {
    return 'this build of Node.js uses V8 pointer compression, which changes the layout of every object: use an official build of Node.js';
  }
  return undefined;
}

/**
 * What to tell a user about an error of the loader.
 *
 * @param error what `process.dlopen`, the search for the file or the file system threw
 * @param libc the C library of this process, which has a native half
 */
export function loadFailure(error: unknown, runtime: Runtime, libc: Libc): string {
  const here = `${runtime.platform} on ${runtime.arch} with ${libcName(libc)}`;
  const message = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
  switch ((error as { code?: unknown } | null)?.code) {
    case 'ERR_DLOPEN_DISABLED':
      return runtime.permission === undefined
        ? 'this process runs with --no-addons, which forbids native addons: start it without that flag'
        : "this process runs with Node's permission model, which forbids native addons: add --allow-addons";
    case 'ERR_ACCESS_DENIED':
      return "Node's permission model forbids reading the native part: add --allow-addons, and --allow-fs-read for the folder of pronghorn";
    case 'ERR_DLOPEN_FAILED':
      return `the native part could not be loaded (${message}); it is for ${here}${libc === 'gnu' ? ' 2.28 or later' : ''}`;
    case 'MODULE_NOT_FOUND':
      return (
        `the native part for ${here} is missing: the package pronghorn-${runtime.platform}-${runtime.arch}-${libc} is not installed; install pronghorn again, ` +
        'here and without --omit=optional, or run `npm run build` in a checkout'
      );
    default:
      return `the native part could not be loaded (${message})`;
  }
}
