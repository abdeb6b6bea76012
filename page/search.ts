/**
 * Which functions a search means: part of a name or of a place, in any case; between slashes it is a regular expression.
 */
import type { ProfileDocument } from './document.js';
import { placeOf } from './format.js';

/** @returns 1 for each function that matches; nothing for an empty search */
export function search(doc: ProfileDocument, query: string): Uint8Array | undefined {
  const matches = matcher(query.trim());
  if (matches === undefined) return undefined;
  return Uint8Array.from(doc.names, (name, of) => (matches(name) || matches(placeOf(doc, of)) ? 1 : 0));
}

function matcher(query: string): ((text: string) => boolean) | undefined {
  if (query === '') return undefined;
  const expression = /^\/(.+)\/([im]*)$/.exec(query);
  if (expression !== null) {
    try {
      const regExp = new RegExp(expression[1]!, expression[2]);
      return (text) => regExp.test(text);
    } catch {
      // Not one yet: somebody is typing.
    }
  }
  const needle = query.toLowerCase();
  return (text) => text.toLowerCase().includes(needle);
}
