/**
 * `pronghorn top` as a table for a terminal.
 */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cutMiddle, printable } from '../printable.js';
import { groupName } from '../pprof/sample-groups.js';
import type { Group, Top, TopRow, Totals } from './top.js';

/** How the table is laid out. */
export interface TableOptions {
  /** Shown in the first line. */
  title: string;
  /** Paths below this folder are shown relative to it. */
  directory: string;
  /** Characters of a line; Infinity where the output is not a terminal. */
  width: number;
}

/** Longest function name and place before they are cut in the middle or at the left. */
const MAX_NAME = 48;
const MAX_PLACE = 72;

/** The whole table, with a line end after each line. */
export function formatTop(result: Top, options: TableOptions): string {
  const lines = [...summary(result, options.title), ''];
  if (result.groups === undefined) lines.push(...functionLines(result, result.unit, options));
  else lines.push(...groupLines(result, result.groups), ...result.groups.flatMap((group) => ['', groupName(group.labels, result.by), '', ...functionLines(group, result.unit, options)]));
  return [...lines.map((line) => cutRight(line, options.width)), ''].join('\n');
}

/** One line for each function, under a header. */
function functionLines(totals: Totals, unit: string, options: TableOptions): string[] {
  const header = ['self', 'self%', 'total', 'total%', 'function', 'file:line'];
  const rest = totals.functionCount - totals.rows.length;
  return [
    ...aligned([header, ...totals.rows.map((row) => cells(row, totals.sum, unit, options.directory))], 4),
    ...(rest > 0 ? [`… and ${rest.toLocaleString('en-US')} more functions (--count N shows more)`] : []),
  ];
}

/** One line for each group, under a header. */
function groupLines(result: Top, groups: readonly Group[]): string[] {
  const header = [printable(result.value), '%', ...(result.samples === undefined || result.value === 'samples' ? [] : ['samples']), printable(result.by ?? '')];
  const rows = groups.map((group) => {
    const samples = header.length === 4 ? [(group.samples ?? 0).toLocaleString('en-US')] : [];
    return [amount(group.sum, result.unit, result.sum), percent(group.sum, result.sum), ...samples, groupName(group.labels, result.by)];
  });
  return aligned([header, ...rows], header.length - 1);
}

/** Lines of cells in columns, the first `numbers` of which are numbers. */
function aligned(lines: readonly string[][], numbers: number): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) => {
    const cell = (text: string, column: number): string => (column < numbers ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0));
    return line.map(cell).join('  ').trimEnd();
  });
}

function summary(result: Top, title: string): string[] {
  const parts = [`${amount(result.sum, result.unit, result.sum)} of ${printable(result.value)}`];
  if (result.samples !== undefined && result.value !== 'samples') parts.push(`${result.samples.toLocaleString('en-US')} samples`);
  parts.push(`${result.stackCount.toLocaleString('en-US')} different stacks`);
  if (result.durationNanos > 0) parts.push(`over ${seconds(result.durationNanos)}`);
  const when = result.timeNanos > 0 ? `, from ${localTime(new Date(result.timeNanos / 1e6))}` : '';
  return [`${printable(title)}${when}`, ...result.comments.map(printable), parts.join(', ')];
}

function cells(row: TopRow, sum: number, unit: string, directory: string): string[] {
  return [
    amount(row.self, unit, sum),
    percent(row.self, sum),
    amount(row.total, unit, sum),
    percent(row.total, sum),
    cutMiddle(printable(row.name), MAX_NAME),
    cutLeft(place(row, directory), MAX_PLACE),
  ];
}

/** All values of a column have the unit that suits the whole, so that they compare at a glance. */
function amount(value: number, unit: string, whole: number): string {
  if (unit === 'nanoseconds') return whole >= 10e9 ? `${(value / 1e9).toFixed(2)} s` : `${(value / 1e6).toFixed(1)} ms`;
  return unit === 'count' ? value.toLocaleString('en-US') : `${value.toLocaleString('en-US')} ${printable(unit)}`;
}

function seconds(nanos: number): string {
  return nanos >= 1e9 ? `${(nanos / 1e9).toFixed(2)} s` : `${(nanos / 1e6).toFixed(1)} ms`;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`;
}

function place(row: TopRow, directory: string): string {
  if (row.file === '') return '';
  const path = shortPath(row.file, directory);
  return printable(row.line > 0 ? `${path}:${row.line}` : path);
}

/** ES modules are named by URL; a path is shorter, and one below the working directory shorter still. */
function shortPath(file: string, directory: string): string {
  let path = file;
  if (file.startsWith('file:')) {
    try {
      path = fileURLToPath(file);
    } catch {
      return file;
    }
  }
  if (!path.startsWith('/')) return path;
  const inside = relative(directory, path);
  return inside === '' || inside.startsWith('..') ? path : inside;
}

function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function cutLeft(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(text.length - width + 1)}`;
}

function cutRight(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
