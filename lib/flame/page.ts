/**
 * The page as a file: the template that the build has made (scripts/build-page.mjs), with a profile in it.
 *
 * The data is base64 inside a script element of a type that no browser runs, so nothing in a profile can end that element; the title is the only
 * text that stands in the markup itself.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { shown } from './function-table.js';

/** Begins every page of ours; it is how one is known before it is replaced. */
export const PAGE_START = '<!doctype html>\n<html lang="en" data-made-by="pronghorn-flame">';

const TITLE = '{{title}}';
const DATA = '{{data}}';

/**
 * @param template path of the built template, which is compressed
 * @param title of the browser's window
 * @param document what encodeDocument() has returned
 */
export function renderPage(template: string, title: string, document: Buffer): Buffer {
  const page = gunzipSync(readFileSync(template)).toString();
  const [beforeTitle, afterTitle] = halves(page, TITLE);
  const [beforeData, afterData] = halves(afterTitle, DATA);
  return Buffer.from([beforeTitle, escapeHtml(shown(title)), beforeData, document.toString('base64'), afterData].join(''));
}

/** The first occurrence counts: the template has them in this order, before everything that could look like them. */
function halves(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  if (at === -1) throw new Error(`the page's template has no ${mark}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
