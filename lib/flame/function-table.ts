/**
 * The functions of one page, each once: those that agree in name, file and first line are one, whichever profile they stand in.
 */
import { functionsOf } from '../pprof/functions.js';
import type { Id, Pprof } from '../pprof/reader.js';
import { printable } from '../printable.js';
import { type Category, categoryOf } from './category.js';

/** Longest text that a page has; the longest path of Linux is 4,096 bytes. */
const MAX_TEXT = 4096;

/** One function as a page shows it. */
export interface PageFunction {
  name: string;
  /** Script, source or binary; empty for markers such as `(idle)`. */
  file: string;
  /** Where the function begins; 0 if it is not known. */
  line: number;
  category: Category;
}

/** Gives each function a number, from 0. */
export class FunctionTable {
  readonly functions: PageFunction[] = [];
  readonly #numbers = new Map<string, number>();

  /** The number of a frame that stands for no function, such as a process. */
  insert(name: string, file: string, line: number, category: Category): number {
    const entry = { name: shown(name), file: shown(file), line, category };
    // No text that can be shown has a line end, so the separator cannot be forged.
    const key = `${entry.name}\n${entry.file}\n${line}\n${category}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.functions.length;
      this.functions.push(entry);
      this.#numbers.set(key, number);
    }
    return number;
  }

  /** @returns a function that finds the numbers of a location's functions, leaf first */
  locations(profile: Pprof): (id: Id) => readonly number[] {
    const byLocation = new Map<Id, readonly number[]>();
    return (id) => {
      let numbers = byLocation.get(id);
      if (numbers === undefined) {
        const location = profile.locations.get(id);
        const binary = location === undefined ? '' : (profile.mappings.get(location.mappingId) ?? '');
        const functions = location === undefined ? [] : functionsOf(profile, location);
        numbers = functions.map(({ name, file, startLine }) => {
          return this.insert(name, file === '' ? binary : file, startLine, categoryOf(name, file, binary));
        });
        byLocation.set(id, numbers);
      }
      return numbers;
    };
  }
}

/**
 * A text as the page shows it: nothing in it steers the text around it (control characters, marks of direction), and it is of a length that can be
 * shown.
 */
export function shown(text: string): string {
  const cut = text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT / 2)}…${text.slice(text.length + 1 - MAX_TEXT / 2)}`;
  return printable(cut).replaceAll(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
