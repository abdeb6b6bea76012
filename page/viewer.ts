/**
 * The page's parts put together: what is chosen, what is zoomed to, what is looked for, and who hears of a change.
 */
import { fillOf, fillOfChange, LEGEND } from './colours.js';
import { fillSwitch, helpDialog, themeButton } from './controls.js';
import type { ProfileDocument } from './document.js';
import { amount, percent, placeOf, time } from './format.js';
import { calleeTree, callerTree, type Frame } from './frames.js';
import { Graph } from './graph.js';
import { categorySums, hasIdle, sumOfMatches } from './measure.js';
import { type Choice, Picture } from './picture.js';
import { search } from './search.js';
import { FunctionsTable } from './table.js';
import { make, Tooltip } from './tooltip.js';

type View = 'callees' | 'callers';

const byId = <T extends HTMLElement>(id: string): T => document.querySelector<T>(`#${id}`)!;

export class Viewer {
  readonly #doc: ProfileDocument;
  readonly #graph: Graph;
  readonly #table: FunctionsTable;
  readonly #tooltip = new Tooltip(byId('tooltip'));
  readonly #help: { open(): void };
  readonly #search = byId<HTMLInputElement>('search');
  readonly #roots: Partial<Record<View, Frame>> = {};
  /** For each value, whether threads that wait have any of it. */
  readonly #idle: boolean[];
  #choice: Choice;
  #view: View = 'callees';
  #picture: Picture;
  #focus: Frame;
  #matches: Uint8Array | undefined;
  #selected: number | undefined;

  /** Fills the page. From then on it reacts to its reader. */
  static show(doc: ProfileDocument): void {
    new Viewer(doc).#update({ table: true, animate: false });
  }

  private constructor(doc: ProfileDocument) {
    this.#doc = doc;
    this.#idle = doc.values.map((_, value) => hasIdle(doc, value));
    this.#choice = { value: doc.shownValue, hideIdle: false, widths: 'both', compare: 'amounts' };
    this.#picture = new Picture(doc, this.#choice);
    this.#focus = this.#root;
    this.#graph = new Graph(byId('graph'), {
      zoom: (frame) => this.#zoom(frame),
      point: (frame, x, y) => this.#point(frame, x, y),
      reach: (frame, place) => this.#point(frame, place?.left ?? 0, place?.bottom ?? 0),
    });
    this.#table = new FunctionsTable(byId('functions'), { select: (fn) => this.#select(fn) });
    this.#help = helpDialog(byId<HTMLDialogElement>('help'), byId('help-button'));
    themeButton(byId('theme'));
    this.#describeProfile();
    this.#makeSwitches();
    this.#listen();
  }

  get #root(): Frame {
    return (this.#roots[this.#view] ??= this.#view === 'callees' ? calleeTree(this.#doc) : callerTree(this.#doc));
  }

  #describeProfile(): void {
    const { title, base, samples, stacks, durationNanos, timeNanos, comments } = this.#doc;
    byId('title').textContent = base === undefined ? title : `${title} compared with ${base.title}`;
    const parts = [];
    if (timeNanos > 0) parts.push(time(timeNanos));
    if (durationNanos > 0) parts.push(base === undefined ? amount(durationNanos, 'nanoseconds') : `${amount(base.durationNanos, 'nanoseconds')} → ${amount(durationNanos, 'nanoseconds')}`);
    const count = (number: number | undefined): string => (number ?? 0).toLocaleString('en-US');
    if (samples !== undefined) parts.push(base === undefined ? `${count(samples)} samples` : `${count(base.samples)} → ${count(samples)} samples`);
    parts.push(`${count(stacks)} different stacks`);
    byId('meta').textContent = parts.join(' · ');
    byId('comments').textContent = comments.join(' · ');
  }

  #makeSwitches(): void {
    const { values, base } = this.#doc;
    const options = values.map(({ type }, index): [string, string] => [String(index), type]);
    // cpu and wall are what most look for; the samples, which come first in a file, come last here.
    options.sort(([a], [b]) => Number(values[Number(a)]!.type === 'samples') - Number(values[Number(b)]!.type === 'samples'));
    fillSwitch(byId('value-switch'), options, String(this.#choice.value), (value) => this.#choose({ value: Number(value) }));
    fillSwitch(byId('view-switch'), [['callees', 'Callees'], ['callers', 'Callers']], 'callees', (view) => {
      this.#view = view;
      this.#focus = this.#root;
      this.#update({ table: false });
    });
    if (base !== undefined) {
      byId('comparison').hidden = false;
      byId('functions').classList.add('compares');
      fillSwitch(byId('widths-switch'), [['both', 'Both'], ['before', 'Before'], ['after', 'After']], 'both', (widths) => this.#choose({ widths }));
      fillSwitch(byId('compare-switch'), [['amounts', 'Amounts'], ['shares', 'Shares']], 'amounts', (compare) => this.#choose({ compare }));
      byId('self-header').textContent = 'Self change';
      byId('total-header').textContent = 'Total change';
    }
    byId('hide-idle').addEventListener('change', (event) => this.#choose({ hideIdle: (event.target as HTMLInputElement).checked }));
  }

  #listen(): void {
    this.#search.addEventListener('input', () => {
      this.#selected = undefined;
      this.#matches = search(this.#doc, this.#search.value);
      this.#update({ table: true, animate: false });
      this.#graph.revealMatch();
    });
    byId('reset').addEventListener('click', () => this.#reset());
    document.addEventListener('keydown', (event) => this.#key(event));
    let width = 0;
    new ResizeObserver(([entry]) => {
      const now = Math.round(entry?.contentRect.width ?? 0);
      if (width !== 0 && now !== width) this.#update({ table: false, animate: false });
      width = now;
    }).observe(byId('graph'));
    byId('scroller').addEventListener('scroll', () => this.#tooltip.hide());
  }

  #key(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || byId<HTMLDialogElement>('help').open) return;
    const typing = event.target instanceof HTMLInputElement && event.target.type === 'search';
    if (event.key === 'Escape') this.#escape();
    else if (!typing && event.key === '/') this.#search.select();
    else if (!typing && event.key === '?') this.#help.open();
    else if (typing && (event.key === 'Enter' || event.key === 'ArrowDown')) byId('graph').focus();
    else return;
    event.preventDefault();
  }

  /** What came last goes first. */
  #escape(): void {
    if (this.#search.value !== '' || this.#selected !== undefined) {
      this.#search.value = '';
      this.#matches = undefined;
      this.#selected = undefined;
      this.#update({ table: true, animate: false });
    } else if (this.#focus !== this.#root) this.#zoom(this.#root);
    else if (document.activeElement === this.#search) this.#search.blur();
    this.#tooltip.hide();
  }

  #reset(): void {
    this.#search.value = '';
    this.#matches = undefined;
    this.#selected = undefined;
    this.#focus = this.#root;
    this.#update({ table: true });
    this.#graph.revealFocus();
    byId('graph').focus({ preventScroll: true });
  }

  #choose(change: Partial<Choice>): void {
    this.#choice = { ...this.#choice, ...change };
    this.#picture = new Picture(this.#doc, this.#choice);
    if (this.#focus.total(this.#picture.widths) <= 0) this.#focus = this.#root;
    this.#update({ table: true });
  }

  #zoom(frame: Frame): void {
    this.#focus = frame;
    this.#tooltip.hide();
    this.#update({ table: false });
    this.#graph.revealFocus();
  }

  #select(fn: number | undefined): void {
    this.#selected = fn;
    this.#update({ table: false, animate: false });
    this.#graph.revealMatch();
  }

  #point(frame: Frame | undefined, x: number, y: number): void {
    if (frame === undefined) this.#tooltip.hide();
    else this.#tooltip.show(this.#picture.describe(frame, this.#focus), x, y);
  }

  /** The functions that are marked: the selected one, or those that the search has found. */
  get #marked(): Uint8Array | undefined {
    if (this.#selected === undefined) return this.#matches;
    const marked = new Uint8Array(this.#doc.functionCount);
    marked[this.#selected] = 1;
    return marked;
  }

  #update({ table, animate = true }: { table: boolean; animate?: boolean }): void {
    const picture = this.#picture;
    const marked = this.#marked;
    const compares = picture.before !== undefined;
    const empty = this.#root.total(picture.widths) <= 0;
    byId('graph').hidden = empty;
    byId('empty').hidden = !empty;
    if (empty) byId('empty').textContent = `There is no ${this.#valueName} in this profile.`;
    else {
      this.#graph.draw({
        focus: this.#focus,
        measure: picture.widths,
        name: (frame) => picture.nameOf(frame.fn),
        fill: (frame) => (compares ? fillOfChange(picture.changeOf(frame)) : fillOf(picture.categoryOf(frame.fn), picture.nameOf(frame.fn))),
        spoken: (frame) => picture.spoken(frame),
        highlight: marked === undefined ? undefined : (frame) => frame.fn !== -1 && marked[frame.fn] === 1,
        animate: animate && !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
      });
    }
    if (table) this.#table.show(picture, this.#matches, this.#selected);
    byId('function-count').textContent = this.#table.count.toLocaleString('en-US');
    this.#showStatus(marked);
    this.#showLegend();
    byId('idle-switch').hidden = !this.#idle[this.#choice.value];
  }

  get #valueName(): string {
    return this.#doc.values[this.#choice.value]?.type ?? '';
  }

  #showStatus(marked: Uint8Array | undefined): void {
    const picture = this.#picture;
    const status = byId('status');
    const { after, before } = picture;
    const zoomed = this.#focus !== this.#root;
    byId('reset').hidden = !zoomed && marked === undefined;
    status.replaceChildren();
    const say = (text: string): void => status.append(text);
    const name = (text: string): void => status.append(make('b', text.length <= 80 ? text : `${text.slice(0, 80)}…`));
    if (marked !== undefined) {
      const sum = sumOfMatches(this.#doc, after, marked);
      if (this.#selected === undefined) name(`“${this.#search.value.trim()}”`);
      else name(picture.nameOf(this.#selected));
      const count = this.#table.count;
      if (this.#selected === undefined) say(` in ${count.toLocaleString('en-US')} ${count === 1 ? 'function' : 'functions'}`);
      else if (placeOf(this.#doc, this.#selected) !== '') say(` (${placeOf(this.#doc, this.#selected).slice(-80)})`);
      if (before === undefined) say(`: ${picture.text(sum)}, ${percent(sum, after.whole)} of all ${this.#valueName}`);
      else say(`: ${picture.text(sumOfMatches(this.#doc, before, marked))} → ${picture.text(sum)} of ${this.#valueName}`);
      if (zoomed) say(' · ');
    }
    if (zoomed) {
      say(marked === undefined ? 'Zoomed to ' : 'zoomed to ');
      name(picture.nameOf(this.#focus.fn));
      const total = this.#focus.total(after);
      say(before === undefined ? `: ${picture.text(total)}, ${percent(total, after.whole)}` : `: ${picture.text(this.#focus.total(before))} → ${picture.text(total)}`);
    } else if (marked === undefined) {
      say(before === undefined ? `${picture.text(after.whole)} of ${this.#valueName}` : `${amount(before.whole, picture.unit)} → ${amount(after.whole, picture.unit)} of ${this.#valueName}`);
      say(this.#view === 'callers' ? ', by function and its callers' : '');
    }
  }

  #showLegend(): void {
    const picture = this.#picture;
    const entries: HTMLElement[] = [];
    const add = (className: string, text: string, more: string): void => {
      const entry = make('li', '');
      entry.append(make('span', '', `swatch ${className}`), text, ...(more === '' ? [] : [make('span', more, 'share')]));
      entries.push(entry);
    };
    if (picture.before === undefined) {
      const sums = categorySums(this.#doc, picture.sums);
      for (const [category, label] of LEGEND) {
        const sum = sums[this.#doc.categories.indexOf(category)] ?? 0;
        if (sum !== 0) add(`kind-${category}`, label, percent(sum, picture.after.whole));
      }
    } else {
      add('kind-less', 'less than before', '−');
      add('kind-same', 'the same', '');
      add('kind-more', 'more than before', '+');
    }
    byId('legend').replaceChildren(...entries);
  }
}
