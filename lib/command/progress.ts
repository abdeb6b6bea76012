/**
 * How far a profile has come, on a terminal that the program writes to as well.
 *
 * The program's output is its own, and nobody can tell where it has left the cursor. So the text is no line of its own, which the program would run into or
 * run over: it stands at the right end of whichever line the cursor is in, the cursor goes back to where it was, and what the program writes begins where it
 * would have begun. A long line simply overwrites it. Once a second is seldom enough not to disturb, and what is left behind when the program goes on to the
 * next line, a remark at the margin, spoils no word of its output. Where that cannot be done well there is no progress: a dumb or narrow terminal,
 * a file, a pipe, a background job.
 */
import { writeSync } from 'node:fs';

/** On a narrower terminal the program needs the room. */
const LEAST_COLUMNS = 60;

const SAVE_CURSOR = '\u001b7';
const RESTORE_CURSOR = '\u001b8';
const ERASE_TO_END = '\u001b[K';
const toColumn = (column: number): string => `\u001b[${column}G`;

/** The terminal, as far as it matters. */
export interface Terminal {
  /** Its width; undefined if standard error is none, or it is not to be used now. */
  columns(): number | undefined;
  write(text: string): void;
}

/** Shows a text until it is cleared. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #dim: boolean;
  /** Characters on the screen. */
  #shown = 0;

  /** @param env NO_COLOR and TERM count */
  constructor(terminal: Terminal, env: Readonly<Record<string, string | undefined>>) {
    this.#terminal = env['TERM'] === 'dumb' ? { ...terminal, columns: () => undefined } : terminal;
    this.#dim = !env['NO_COLOR'];
  }

  /** Replaces what is shown. Never throws. */
  show(text: string): void {
    const columns = this.#terminal.columns() ?? 0;
    if (columns < LEAST_COLUMNS) return;
    const width = Math.max(text.length, this.#shown);
    this.#shown = text.length;
    // The last column stays free: a character there would make the next one wrap.
    const padded = text.padStart(width);
    this.#write(`${toColumn(columns - width)}${this.#dim ? `\u001b[2m${padded}\u001b[22m` : padded}`);
  }

  /** Takes it off the screen, unless the program has moved on to another line. Doing it twice is doing it once. */
  clear(): void {
    const columns = this.#terminal.columns();
    if (this.#shown > 0 && columns !== undefined) this.#write(`${toColumn(columns - this.#shown)}${ERASE_TO_END}`);
    this.#shown = 0;
  }

  #write(text: string): void {
    this.#terminal.write(`${SAVE_CURSOR}${text}${RESTORE_CURSOR}`);
  }
}

/** Standard error of this process. @param mayDraw asked each time */
export function standardError(mayDraw: () => boolean): Terminal {
  return {
    columns: () => (process.stderr.isTTY && mayDraw() ? process.stderr.columns : undefined),
    write: (text) => {
      try {
        writeSync(2, text);
      } catch {
        // The terminal has gone.
      }
    },
  };
}
