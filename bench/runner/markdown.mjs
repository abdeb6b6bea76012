// Tables in Markdown, aligned so that they can be read as text.

/** @param {string[]} head @param {string[][]} rows */
export function markdownTable(head, rows) {
  const clean = (cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ');
  const all = [head, ...rows].map((row) => row.map(clean));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(all[0]), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...all.slice(1).map(line)].join('\n');
}
