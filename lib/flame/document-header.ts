/**
 * What stands before the columns in a page's data. The command writes it (document.ts) and the page reads it (page/document.ts), so this file needs
 * neither Node.js nor a browser.
 */

/** Texts from the profile are fit to be shown. */
export interface DocumentHeader {
  title: string;
  comments: string[];
  timeNanos: number;
  durationNanos: number;
  /** Samples taken, if the profile counts them, and different stacks. */
  samples: number | undefined;
  stacks: number;
  values: { type: string; unit: string }[];
  /** Index of the value that is shown first. */
  shownValue: number;
  /** Whether the first level of frames is one for each process or thread. */
  by: string | undefined;
  base: { title: string; samples: number | undefined; timeNanos: number; durationNanos: number } | undefined;
  categories: readonly string[];
  functionCount: number;
  nodeCount: number;
  strings: string[];
}
