/**
 * The flame graph: d3-flame-graph lays out and draws the frames that can be seen; this adds what it lacks, a way through them for the keyboard and for
 * screen readers.
 */
import flamegraph, { type FlameGraph } from 'd3-flame-graph';
import { select } from 'd3-selection';
import type { Frame } from './frames.js';
import type { Measure } from './measure.js';
import { type Shown, type ShownNode, visibleFrames } from './visible.js';

export const FRAME_HEIGHT = 20;
/** Longer names are cut before they are drawn: nobody sees more of them in a frame. */
const MAX_LABEL = 200;

/** What to draw. */
export interface Drawing {
  focus: Frame;
  measure: Measure;
  name(frame: Frame): string;
  fill(frame: Frame): string;
  spoken(frame: Frame): string;
  /** Whether a frame is one of those that are looked for; nothing if none is. */
  highlight: ((frame: Frame) => boolean) | undefined;
  animate: boolean;
}

/** What the reader does with frames. */
export interface GraphEvents {
  zoom(frame: Frame): void;
  /** The pointer is at a frame, or at none. */
  point(frame: Frame | undefined, x: number, y: number): void;
  /** The keyboard is at a frame, or has left. */
  reach(frame: Frame | undefined, place: DOMRect | undefined): void;
}

export class Graph {
  readonly #element: HTMLElement;
  readonly #ring: HTMLElement;
  readonly #events: GraphEvents;
  readonly #chart: FlameGraph<Shown>;
  #drawing: Drawing | undefined;
  #root: ShownNode | undefined;
  /** The frames of each depth, from left to right. */
  #levels: ShownNode[][] = [];
  #current: ShownNode | undefined;
  /** Whether the reader uses keys: then it is shown which frame they have reached. */
  #byKeyboard = false;

  /** @param element takes the focus; the library draws into it */
  constructor(element: HTMLElement, events: GraphEvents) {
    this.#element = element;
    this.#events = events;
    this.#ring = document.createElement('div');
    this.#ring.className = 'ring';
    const tip = Object.assign(() => {}, {
      show: (event: MouseEvent, node: ShownNode) => events.point(node.data.frame, event.clientX, event.clientY),
      hide: () => events.point(undefined, 0, 0),
    });
    this.#chart = flamegraph<Shown>()
      .cellHeight(FRAME_HEIGHT)
      .inverted(true)
      .resetHeightOnZoom(true)
      .transitionDuration(0)
      .tooltip(tip)
      .getName((node) => this.#nameOf(node))
      .setColorMapper((node) => (this.#drawing === undefined || !('frame' in node.data) ? 'none' : this.#drawing.fill(node.data.frame)));
    select(element).datum({ name: '', value: 0, children: [] }).call(this.#chart);
    element.append(this.#ring);
    element.querySelector('svg')?.setAttribute('role', 'presentation');
    // The library zooms within what it has been given. Which frames are wide enough is another question after a zoom, so it is asked anew instead.
    element.addEventListener('click', (event) => this.#click(event), true);
    element.addEventListener('keydown', (event) => this.#key(event));
    element.addEventListener('pointerdown', () => {
      this.#byKeyboard = false;
    });
    element.addEventListener('focus', () => {
      this.#byKeyboard = element.matches(':focus-visible');
      this.#reach(this.#current ?? this.#focusNode());
    });
    element.addEventListener('blur', () => this.#leave());
    element.addEventListener('pointermove', (event) => this.#move(event));
  }

  draw(drawing: Drawing): void {
    this.#drawing = drawing;
    const width = Math.max(100, this.#element.clientWidth);
    const root = visibleFrames(drawing.focus, drawing.measure, width);
    this.#root = root;
    this.#chart.width(width).transitionDuration(drawing.animate ? 250 : 0);
    // The library takes over its own kind of tree only by itself; this one has numbers for the frames that last.
    select(this.#element).datum(root);
    this.#chart.update();
    this.#levels = [];
    for (const node of root.descendants()) (this.#levels[node.depth] ??= []).push(node);
    for (const group of this.#element.querySelectorAll<SVGGElement>('g.frame')) this.#decorate(group);
    const key = this.#current?.id;
    this.#current = key === undefined ? undefined : root.descendants().find((node) => node.id === key);
    this.#leave();
    if (document.activeElement === this.#element) this.#reach(this.#current ?? this.#focusNode());
  }

  /** How many frames are drawn. */
  get drawn(): number {
    return this.#levels.reduce((sum, level) => sum + level.length, 0);
  }

  /** Scrolls so that the zoomed frame stands near the top, below the last of those above it. */
  revealFocus(): void {
    const depth = this.#focusNode()?.depth ?? 0;
    this.#element.parentElement?.scrollTo({ top: Math.max(0, depth - 2) * FRAME_HEIGHT });
  }

  /** Scrolls to the topmost of the frames that are looked for. */
  revealMatch(): void {
    const found = this.#levels.flat().find((node) => this.#drawing?.highlight?.(node.data.frame) === true);
    if (found !== undefined) document.querySelector(`#${found.data.frame.key}`)?.scrollIntoView({ block: 'nearest' });
  }

  #nameOf(node: ShownNode): string {
    const name = this.#drawing === undefined || !('frame' in node.data) ? '' : this.#drawing.name(node.data.frame);
    return name.length <= MAX_LABEL ? name : `${name.slice(0, MAX_LABEL)}…`;
  }

  #decorate(group: SVGGElement): void {
    const node = nodeOf(group);
    const drawing = this.#drawing;
    if (node === undefined || drawing === undefined) return;
    const { frame } = node.data;
    group.id = frame.key;
    // The library writes labels after its transitions, and lets new frames grow even where it is told to take no time.
    const label = group.querySelector('.d3-flame-graph-label');
    if (label !== null) label.textContent = this.#nameOf(node);
    if (!drawing.animate) group.querySelector('rect')?.setAttribute('width', String((node.x1 - node.x0) * this.#element.clientWidth));
    group.setAttribute('role', 'treeitem');
    group.setAttribute('aria-level', String(node.depth + 1));
    group.setAttribute('aria-label', drawing.spoken(frame));
    group.toggleAttribute('data-dim', drawing.highlight !== undefined && !drawing.highlight(frame));
    group.toggleAttribute('data-match', drawing.highlight?.(frame) === true);
  }

  #focusNode(): ShownNode | undefined {
    return this.#levels.find((level) => level[0]?.data.fade === false)?.[0];
  }

  #click(event: MouseEvent): void {
    const node = nodeOf((event.target as Element).closest('g.frame'));
    if (node === undefined) return;
    event.stopPropagation();
    this.#current = node;
    this.#events.zoom(node.data.frame);
  }

  #move(event: PointerEvent): void {
    const node = nodeOf((event.target as Element).closest('g.frame'));
    if (node !== undefined) this.#events.point(node.data.frame, event.clientX, event.clientY);
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    this.#byKeyboard = true;
    const current = this.#current ?? this.#focusNode();
    if (current === undefined) return;
    if (event.key === 'Enter' || event.key === ' ') this.#events.zoom(current.data.frame);
    else if (event.key === 'Backspace') {
      const above = this.#drawing?.focus.parent;
      if (above !== undefined) this.#events.zoom(above);
    } else {
      const next = this.#step(event.key, current);
      if (next === undefined) return;
      this.#reach(next);
    }
    event.preventDefault();
  }

  /** Where a key leads; to the same frame if there is none in that direction. */
  #step(key: string, from: ShownNode): ShownNode | undefined {
    const level = this.#levels[from.depth] ?? [];
    switch (key) {
      case 'ArrowDown':
        return from.children?.[0] ?? from;
      case 'ArrowUp':
        return from.parent ?? from;
      case 'ArrowRight':
        return level[level.indexOf(from) + 1] ?? from;
      case 'ArrowLeft':
        return level[level.indexOf(from) - 1] ?? from;
      case 'Home':
        return this.#root;
      case 'End': {
        let node = from;
        while (node.children?.[0] !== undefined) node = node.children[0];
        return node;
      }
      default:
        return undefined;
    }
  }

  #reach(node: ShownNode | undefined): void {
    if (node === undefined) return;
    this.#current = node;
    this.#element.setAttribute('aria-activedescendant', node.data.frame.key);
    if (!this.#byKeyboard) return;
    const width = this.#element.clientWidth;
    const top = node.depth * FRAME_HEIGHT;
    const { style } = this.#ring;
    style.display = 'block';
    style.left = `${node.x0 * width}px`;
    style.top = `${top}px`;
    style.width = `${Math.max(3, (node.x1 - node.x0) * width)}px`;
    style.height = `${FRAME_HEIGHT}px`;
    this.#ring.scrollIntoView({ block: 'nearest' });
    this.#events.reach(node.data.frame, this.#ring.getBoundingClientRect());
  }

  #leave(): void {
    this.#ring.style.display = 'none';
    this.#element.removeAttribute('aria-activedescendant');
    this.#events.reach(undefined, undefined);
  }
}

/** d3 keeps a node with its element. */
function nodeOf(group: Element | null): ShownNode | undefined {
  return group === null ? undefined : (select(group).datum() as ShownNode | undefined);
}
