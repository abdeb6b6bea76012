/**
 * Colours of frames, as words of CSS: page.css says what they are in the light and in the dark, so that changing the theme draws nothing anew.
 */

/** The categories in the order of the legend. */
export const LEGEND: readonly [category: string, label: string][] = [
  ['app', 'Application'],
  ['dependency', 'node_modules'],
  ['node', 'Node.js'],
  ['v8', 'V8 built-ins'],
  ['native', 'Native'],
  ['gc', 'Garbage collection'],
  ['idle', 'Idle'],
  ['other', 'Other'],
];

export function labelOf(category: string): string {
  return LEGEND.find(([each]) => each === category)?.[1] ?? '';
}

/** Neighbours of one category can be told apart by a shade that depends on the name. */
export function fillOf(category: string, name: string): string {
  let hash = 0;
  for (let at = 0; at < Math.min(name.length, 64); at++) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) | 0;
  return `var(--${category}-${(hash >>> 3) % 3})`;
}

/** @param change from -1, gone, to 1, new */
export function fillOfChange(change: number): string {
  const strength = Math.round(Math.abs(change) ** 0.7 * 100);
  if (strength === 0) return 'var(--same)';
  return `color-mix(in oklab, var(--same), var(${change > 0 ? '--more' : '--less'}) ${strength}%)`;
}
