/**
 * Which frames can be seen: those of the zoomed frame that are wide enough, and the way there. The library lays out and draws these, however large
 * the profile is.
 */
import { hierarchy, type HierarchyNode } from 'd3-hierarchy';
import type { Frame } from './frames.js';
import type { Measure } from './measure.js';

/** What the library keeps with each of its nodes; `value` and `fade` are its own words. */
export interface Shown {
  frame: Frame;
  value: number;
  children: Shown[];
  /** Above the zoomed frame. */
  fade: boolean;
}

export type ShownNode = HierarchyNode<Shown>;

/** Narrowest frame that is drawn, in pixels. */
const MIN_WIDTH = 1;
/** Most frames at a time: beyond it a browser takes too long, and then the narrowest are left out. */
const MAX_FRAMES = 3000;

/** @param width of the graph in pixels */
export function visibleFrames(focus: Frame, measure: Measure, width: number): ShownNode {
  const perPixel = focus.total(measure) / width;
  let narrowest = MIN_WIDTH;
  let shown = grow(focus, measure, narrowest * perPixel);
  while (shown === undefined) {
    narrowest *= 1.4;
    shown = grow(focus, measure, narrowest * perPixel);
  }
  for (let frame = focus.parent; frame !== undefined; frame = frame.parent) {
    shown = { frame, value: shown.value, children: [shown], fade: true };
  }
  return hierarchy(shown).each((node) => {
    node.id = node.data.frame.key;
  });
}

/** @returns nothing if there are too many */
function grow(focus: Frame, measure: Measure, least: number): Shown | undefined {
  const top: Shown = { frame: focus, value: Math.max(0, focus.total(measure)), children: [], fade: false };
  const queue = [top];
  for (const parent of queue) {
    for (const frame of parent.frame.children()) {
      const value = frame.total(measure);
      if (value > 0 && value >= least) parent.children.push({ frame, value, children: [], fade: false });
    }
    parent.children.sort((a, b) => b.value - a.value);
    queue.push(...parent.children);
    if (queue.length > MAX_FRAMES) return undefined;
  }
  return top;
}
