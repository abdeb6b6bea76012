/**
 * The functions beside the graph, with what they take. Rows are made as they are scrolled to.
 */
import { percent, placeOf, relativeChange, shortPlace } from './format.js';
import type { Picture } from './picture.js';
import { make } from './tooltip.js';

const CHUNK = 100;
const MAX_NAME = 300;

export type SortKey = 'self' | 'total' | 'name';

/** What the reader does with rows. */
export interface TableEvents {
  /** Looks for a function in the graph, or no longer. */
  select(fn: number | undefined): void;
}

export class FunctionsTable {
  readonly #scroller: HTMLElement;
  readonly #body: HTMLElement;
  readonly #headers: HTMLElement[];
  readonly #events: TableEvents;
  #picture: Picture | undefined;
  #rows: number[] = [];
  #made = 0;
  #sort: SortKey = 'self';
  #descending = true;
  #matches: Uint8Array | undefined;
  #selected: number | undefined;

  constructor(scroller: HTMLElement, events: TableEvents) {
    this.#scroller = scroller;
    this.#events = events;
    this.#body = scroller.querySelector('tbody')!;
    this.#headers = [...scroller.querySelectorAll<HTMLElement>('th')];
    for (const header of this.#headers) header.querySelector('button')!.addEventListener('click', () => this.#sortBy(header.dataset['sort'] as SortKey));
    scroller.addEventListener('scroll', () => this.#more());
    this.#body.addEventListener('click', (event) => this.#toggle(rowOf(event.target)));
    this.#body.addEventListener('keydown', (event) => this.#key(event));
  }

  /** @param matches the functions to list; all that have a value if it is undefined */
  show(picture: Picture, matches: Uint8Array | undefined, selected: number | undefined): void {
    this.#picture = picture;
    this.#matches = matches;
    this.#selected = selected;
    this.#fill();
  }

  get count(): number {
    return this.#rows.length;
  }

  #fill(): void {
    const picture = this.#picture;
    if (picture === undefined) return;
    const { sums, sumsBefore, doc } = picture;
    const group = doc.categories.indexOf('group');
    this.#rows = [];
    for (let fn = 0; fn < doc.functionCount; fn++) {
      if (doc.category[fn] === group || (this.#matches !== undefined && this.#matches[fn] === 0)) continue;
      if (sums.total[fn] !== 0 || (sumsBefore?.total[fn] ?? 0) !== 0) this.#rows.push(fn);
    }
    this.#rows.sort(this.#order(picture));
    for (const header of this.#headers) {
      if (header.dataset['sort'] === this.#sort) header.setAttribute('aria-sort', this.#descending ? 'descending' : 'ascending');
      else header.removeAttribute('aria-sort');
    }
    this.#made = 0;
    this.#body.replaceChildren();
    this.#scroller.scrollTop = 0;
    this.#more();
  }

  #order(picture: Picture): (a: number, b: number) => number {
    const sign = this.#descending ? -1 : 1;
    const { names } = picture.doc;
    const byName = (a: number, b: number): number => (names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : a - b);
    if (this.#sort === 'name') return (a, b) => sign * byName(a, b);
    const of = (sort: 'self' | 'total') => {
      const [now, then] = [picture.sums[sort], picture.sumsBefore?.[sort]];
      // Where two profiles are compared, what has changed most comes first, whichever way.
      return (fn: number): number => (then === undefined ? now[fn]! : Math.abs(now[fn]! - then[fn]!));
    };
    const [first, second] = this.#sort === 'self' ? [of('self'), of('total')] : [of('total'), of('self')];
    return (a, b) => sign * (first(a) - first(b) || second(a) - second(b)) || byName(a, b);
  }

  #sortBy(key: SortKey): void {
    this.#descending = this.#sort === key ? !this.#descending : key !== 'name';
    this.#sort = key;
    this.#fill();
  }

  /** Makes rows until they reach below what is seen. */
  #more(): void {
    const { scrollTop, clientHeight } = this.#scroller;
    while (this.#made < this.#rows.length && (this.#made === 0 || this.#body.offsetHeight < scrollTop + 2 * clientHeight)) {
      const rows = this.#rows.slice(this.#made, this.#made + CHUNK).map((fn) => this.#row(fn));
      if (this.#made === 0) rows[0]?.setAttribute('tabindex', '0');
      this.#made += rows.length;
      this.#body.append(...rows);
    }
  }

  #row(fn: number): HTMLElement {
    const picture = this.#picture!;
    const row = document.createElement('tr');
    row.dataset['fn'] = String(fn);
    row.tabIndex = -1;
    row.setAttribute('aria-selected', String(fn === this.#selected));
    const name = document.createElement('td');
    const full = picture.nameOf(fn);
    const title = make('span', full.slice(0, MAX_NAME), 'name');
    // Cut at its beginning, which says least: the outer element runs from right to left, the text in it does not.
    const place = make('span', '', 'place');
    const text = make('bdi', shortPlace(picture.doc, fn).slice(-MAX_NAME));
    text.dir = 'ltr';
    place.append(text);
    name.append(make('span', '', `swatch kind-${picture.categoryOf(fn)}`), title, place);
    name.title = `${full.slice(0, 1000)}\n${placeOf(picture.doc, fn).slice(0, 1000)}`;
    row.append(this.#value(fn, 'self'), this.#value(fn, 'total'), name);
    return row;
  }

  #value(fn: number, sort: 'self' | 'total'): HTMLElement {
    const picture = this.#picture!;
    const cell = document.createElement('td');
    cell.className = 'number';
    const now = picture.sums[sort][fn]!;
    const { whole } = picture.after;
    if (picture.sumsBefore === undefined) {
      cell.append(make('span', picture.text(now, whole)), make('span', percent(now, whole), 'share'));
      return cell;
    }
    const then = picture.sumsBefore[sort][fn]!;
    const change = make('span', now === then ? '0' : picture.change(now, then, whole), now > then ? 'more' : now < then ? 'less' : '');
    cell.append(change, make('span', relativeChange(now, then), 'share'));
    cell.title = `before ${picture.text(then)}, after ${picture.text(now)}`;
    return cell;
  }

  #toggle(row: HTMLElement | undefined): void {
    if (row === undefined) return;
    const fn = Number(row.dataset['fn']);
    this.#selected = this.#selected === fn ? undefined : fn;
    for (const each of this.#body.children) each.setAttribute('aria-selected', String((each as HTMLElement).dataset['fn'] === String(this.#selected)));
    this.#events.select(this.#selected);
  }

  #key(event: KeyboardEvent): void {
    const row = rowOf(event.target);
    if (row === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'Enter' || event.key === ' ') this.#toggle(row);
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const next = event.key === 'ArrowDown' ? row.nextElementSibling : row.previousElementSibling;
      if (!(next instanceof HTMLElement)) return;
      row.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    } else return;
    event.preventDefault();
  }
}

function rowOf(target: EventTarget | null): HTMLElement | undefined {
  return (target as Element | null)?.closest<HTMLElement>('tr[data-fn]') ?? undefined;
}
