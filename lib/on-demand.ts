/**
 * The parts of the package that a program loads only if it uses them: each is a third of what an import would have to read and parse otherwise.
 *
 * They are loaded by a call and not by import(), since start() is synchronous. Published, each is one CommonJS file beside lib/core.js that is given what it
 * shares with it (scripts/parts.mjs): a require() of an ES module is a thing that Node can be told not to do, and that test runners with a
 * module registry of their own cannot. In build/ they are modules like all others.
 */
import type * as Cluster from './cluster/part.js';
import type * as Exporting from './export/part.js';
import type * as Register from './whole-program.js';

/** Those that there are. */
interface Parts {
  readonly exporting: typeof Exporting;
  readonly cluster: typeof Cluster;
  readonly register: typeof Register;
}

// Fork: kept, all of it; what is loaded is code.
let loaded: Partial<Parts> = {};
let core: unknown;

/** Published, the core hands over here what it shares with its parts. */
export function share(what: unknown): void {
  core = what;
}

/** What there is for a profiler that exports. */
export const exporting = (): Parts['exporting'] => part('exporting', './export/part.js');

/** The same, if anybody has asked for it. */
export const loadedExporting = (): Parts['exporting'] | undefined => loaded.exporting;

/** A session of a cluster, at both ends. */
export const cluster = (): Parts['cluster'] => part('cluster', './cluster/part.js');

/** What `register` does. */
export const register = (): Parts['register'] => part('register', './whole-program.js');

function part<Name extends keyof Parts>(name: Name, file: string): Parts[Name] {
  const existing = loaded[name];
  if (existing !== undefined) return existing;
  const found: unknown = process.getBuiltinModule('node:module').createRequire(import.meta.url)(file);
  const made = (typeof found === 'function' ? found(core) : found) as Parts[Name];
  loaded = { ...loaded, [name]: made };
  return made;
}
