/**
 * The one line that a program which is being profiled may see of us.
 */
import { writeSync } from 'node:fs';
import { printable } from './printable.js';

/**
 * Writes one line to standard error, at once. Never throws: a closed or full pipe is no reason to disturb the program.
 *
 * @param text without a line end; it may quote a file of unknown origin
 */
export function say(text: string): void {
  try {
    writeSync(2, `pronghorn: ${printable(text.replaceAll(/\r?\n/g, ' '))}\n`);
  } catch {
    // Nobody reads it.
  }
}
