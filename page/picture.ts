/**
 * What is shown: the chosen value, of one profile or of two, and everything that is computed from it. Nothing here knows the browser.
 */
import type { ProfileDocument } from './document.js';
import type { Frame } from './frames.js';
import { amount, percent, placeOf, relativeChange, signed } from './format.js';
import { added, type FunctionSums, type Measure, measureOf, scaled, sumsOf, withoutIdle } from './measure.js';

/** What the reader can choose. */
export interface Choice {
  /** Index into the document's values. */
  value: number;
  /** Without the time in which threads wait for events. */
  hideIdle: boolean;
  /** Of two profiles: which of them frames are as wide as. */
  widths: 'both' | 'after' | 'before';
  /** Of two profiles: whether their amounts are compared, or the shares that their parts have. */
  compare: 'amounts' | 'shares';
}

/** Text about a frame or a function. */
export interface Description {
  name: string;
  place: string;
  category: string;
  rows: [label: string, text: string][];
}

export class Picture {
  readonly doc: ProfileDocument;
  readonly choice: Choice;
  readonly unit: string;
  readonly after: Measure;
  readonly before: Measure | undefined;
  /** What frames are as wide as. */
  readonly widths: Measure;
  readonly sums: FunctionSums;
  readonly sumsBefore: FunctionSums | undefined;

  constructor(doc: ProfileDocument, choice: Choice) {
    this.doc = doc;
    this.choice = choice;
    this.unit = doc.values[choice.value]?.unit ?? '';
    const column = (index: number): Float64Array => (choice.hideIdle ? withoutIdle(doc, doc.columns[index]!) : doc.columns[index]!);
    this.after = measureOf(doc, column(choice.value));
    this.widths = this.after;
    this.sums = sumsOf(doc, this.after);
    if (doc.base === undefined) return;
    let before = measureOf(doc, column(doc.values.length + choice.value));
    if (choice.compare === 'shares' && before.whole > 0) before = measureOf(doc, scaled(before.self, this.after.whole / before.whole));
    this.before = before;
    this.sumsBefore = sumsOf(doc, before);
    if (choice.widths === 'before') this.widths = before;
    if (choice.widths === 'both') this.widths = measureOf(doc, added(this.after.self, before.self));
  }

  /** A value as text: in its unit, or as a share where shares are compared. */
  text(value: number, like = value): string {
    return this.#inShares ? percent(value, this.after.whole) : amount(value, this.unit, like);
  }

  /** How much more it is than before; a sign says which way. */
  change(after: number, before: number, like = after - before): string {
    return signed(this.text(after - before, like), after - before);
  }

  /** How strongly a frame is coloured: from -1, gone, to 1, new. What is next to nothing of the whole is paler. */
  changeOf(frame: Frame): number {
    if (this.before === undefined) return 0;
    const [after, before] = [frame.total(this.after), frame.total(this.before)];
    const most = Math.max(after, before);
    if (most <= 0) return 0;
    const weight = Math.min(1, Math.abs(after - before) / (0.002 * Math.max(this.after.whole, this.before.whole)));
    return ((after - before) / most) * weight;
  }

  nameOf(fn: number): string {
    if (fn === -1) return this.doc.base === undefined ? 'all' : 'all, before and after';
    return this.doc.names[fn] || '(anonymous)';
  }

  categoryOf(fn: number): string {
    return fn === -1 ? 'group' : (this.doc.categories[this.doc.category[fn]!] ?? 'other');
  }

  describe(frame: Frame, focus: Frame): Description {
    const { before, after, sums } = this;
    const about = { name: this.nameOf(frame.fn), place: placeOf(this.doc, frame.fn), category: frame.fn === -1 ? '' : this.categoryOf(frame.fn) };
    const rows: Description['rows'] = [];
    if (before === undefined) {
      rows.push(['Self', this.#withShare(frame.self(after))], ['Total', this.#withShare(frame.total(after))]);
      if (focus.parent !== undefined) rows.push(['Of the zoomed frame', percent(frame.total(after), focus.total(after))]);
      if (about.category !== '' && about.category !== 'group') rows.push(['Function everywhere', `${this.text(sums.self[frame.fn]!)} self, ${this.text(sums.total[frame.fn]!)} total`]);
      return { ...about, rows };
    }
    for (const [label, read] of [['Self', 'self'], ['Total', 'total']] as const) {
      const [now, then] = [frame[read](after), frame[read](before)];
      rows.push([label, `${this.text(then)} → ${this.text(now)}`], [`${label} change`, now === then ? 'none' : `${this.change(now, then)} (${relativeChange(now, then)})`]);
    }
    return { ...about, rows };
  }

  /** In one line, for those who hear it. */
  spoken(frame: Frame): string {
    const total = frame.total(this.after);
    const change = this.before === undefined ? '' : `, change ${this.change(total, frame.total(this.before))}`;
    return `${this.nameOf(frame.fn).slice(0, 200)}, ${this.text(total)}, ${percent(total, this.after.whole)}${change}`;
  }

  get #inShares(): boolean {
    return this.before !== undefined && this.choice.compare === 'shares';
  }

  #withShare(value: number): string {
    return `${this.text(value)} (${percent(value, this.after.whole)})`;
  }
}
