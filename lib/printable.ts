/**
 * Text from outside, made fit for a terminal: names in a file of unknown origin, and messages that quote it, must not be able to steer it.
 */

/** @returns the text with each control character (C0, DEL and C1) replaced */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** JSON of a value, indented. JSON escapes C0 by itself, the rest of them is escaped here. */
export function printableJson(value: unknown): string {
  const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replaceAll(/[\u007f-\u009f]/g, escape);
}

/** @returns the text with its middle left out, if it is longer than `width` */
export function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`;
}
