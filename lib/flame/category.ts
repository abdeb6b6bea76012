/**
 * Whose code a function is: what a flame graph is coloured by.
 */

/** In the order in which the page lists them; a file written by one version is read only by the page in it, so the order may change. */
export const CATEGORIES = ['app', 'dependency', 'node', 'v8', 'native', 'gc', 'idle', 'other', 'group'] as const;
export type Category = (typeof CATEGORIES)[number];

/** Markers of ours (docs/api.md) that are neither anybody's code nor named after what they stand for. */
const MARKERS: ReadonlyMap<string, Category> = new Map([
  ['(garbage collector)', 'gc'],
  ['(idle)', 'idle'],
  ['(program)', 'other'],
  ['(truncated)', 'other'],
  ['(broken)', 'other'],
  ['(walk refused)', 'other'],
  ['(native code)', 'native'],
  ['(regexp)', 'v8'],
  ['(wasm)', 'app'],
]);

/**
 * @param name of the function, as the profile has it
 * @param file script or source; empty for native functions and markers
 * @param binary the mapped file that its code lies in; empty for what V8 has compiled
 */
export function categoryOf(name: string, file: string, binary: string): Category {
  const marker = file === '' ? MARKERS.get(name) : undefined;
  if (marker !== undefined) return marker;
  // Other profilers call it so.
  if (file === '' && /^\(?garbage.collect(or|ion)\)?$/i.test(name)) return 'gc';
  if (binary !== '') return 'native';
  if (file === '(builtin)') return 'v8';
  if (file.startsWith('node:')) return 'node';
  if (file.includes('/node_modules/') || file.startsWith('node_modules/') || file.includes('\\node_modules\\')) return 'dependency';
  return 'app';
}
