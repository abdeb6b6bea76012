/** What the page uses of libraries that bring no types. */

declare module 'd3-selection' {
  export interface Selection {
    datum(): unknown;
    datum(value: unknown): Selection;
    call(use: (selection: Selection) => unknown): Selection;
  }
  export function select(element: Element): Selection;
}

declare module 'd3-hierarchy' {
  /** A node of the library's tree, over data of type D. */
  export interface HierarchyNode<D> {
    data: D;
    depth: number;
    parent: HierarchyNode<D> | null;
    children?: HierarchyNode<D>[];
    /** What the flame graph joins elements by. */
    id?: string;
    /** Of the whole width, from 0 to 1, once it has been laid out. */
    x0: number;
    x1: number;
    descendants(): HierarchyNode<D>[];
    each(visit: (node: HierarchyNode<D>) => void): this;
  }
  export function hierarchy<D>(data: D): HierarchyNode<D>;
}

declare module 'd3-flame-graph' {
  import type { HierarchyNode } from 'd3-hierarchy';
  import type { Selection } from 'd3-selection';

  export interface FlameGraph<D> {
    (selection: Selection): unknown;
    width(pixels: number): FlameGraph<D>;
    cellHeight(pixels: number): FlameGraph<D>;
    inverted(rootAtTop: boolean): FlameGraph<D>;
    resetHeightOnZoom(reset: boolean): FlameGraph<D>;
    transitionDuration(ms: number): FlameGraph<D>;
    tooltip(tip: { (): void; show(event: MouseEvent, node: HierarchyNode<D>): void; hide(): void }): FlameGraph<D>;
    getName(name: (node: HierarchyNode<D>) => string): FlameGraph<D>;
    setColorMapper(fill: (node: HierarchyNode<D>) => string): FlameGraph<D>;
    update(): FlameGraph<D>;
  }
  export default function flamegraph<D>(): FlameGraph<D>;
}
