/**
 * The box beside the pointer, or below the frame that the keyboard has reached.
 */
import { labelOf } from './colours.js';
import type { Description } from './picture.js';

/** More of a text than this is not shown; the table's cells and the page's data have all of it. */
const MAX_NAME = 240;

export class Tooltip {
  readonly #element: HTMLElement;

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  show({ name, place, category, rows }: Description, x: number, y: number): void {
    const box = this.#element;
    box.replaceChildren(
      make('strong', shorten(name)),
      ...(place === '' ? [] : [make('span', shorten(place), 'place')]),
      ...(labelOf(category) === '' ? [] : [make('span', labelOf(category), `kind kind-${category}`)]),
    );
    const list = document.createElement('dl');
    for (const [label, text] of rows) list.append(make('dt', label), make('dd', text));
    box.append(list);
    box.hidden = false;
    const margin = 8;
    const right = x + 14 + box.offsetWidth + margin > window.innerWidth;
    const below = y + 18 + box.offsetHeight + margin > window.innerHeight;
    box.style.left = `${Math.max(margin, right ? x - 10 - box.offsetWidth : x + 14)}px`;
    box.style.top = `${Math.max(margin, below ? y - 10 - box.offsetHeight : y + 18)}px`;
  }

  hide(): void {
    this.#element.hidden = true;
  }
}

function shorten(text: string): string {
  return text.length <= MAX_NAME ? text : `${text.slice(0, MAX_NAME / 2)} … ${text.slice(-MAX_NAME / 2)}`;
}

/** An element with a text in it, which stays a text whatever it says. */
export function make(tag: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className !== '') element.className = className;
  return element;
}
