// Numbers as they stand in the tables.

export const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)}%`;

/** Enough digits to see a difference, and no more. */
export function number(value, digits = 2) {
  if (value === undefined) return '—';
  const fitting = Math.abs(value) >= 1_000 ? 0 : Math.abs(value) >= 100 ? Math.min(digits, 1) : digits;
  return value.toLocaleString('en', { minimumFractionDigits: fitting, maximumFractionDigits: fitting });
}

/** 95% interval of a ratio to the program alone, as what is added or saved. */
export function change({ median, low, high }) {
  if (median === undefined) return '—';
  const signed = (ratio) => `${ratio < 1 ? '−' : '+'}${percent(Math.abs(ratio - 1), 1)}`;
  return low === undefined ? signed(median) : `${signed(median)} (${signed(low)} to ${signed(high)})`;
}

export const duration = (ms) => (ms < 90_000 ? `${Math.round(ms / 1_000)} s` : `${(ms / 60_000).toFixed(1)} min`);
