/**
 * The processes and threads of a profile: which of them a sample is from, and how that one is called.
 */
import { cutMiddle, printable } from '../printable.js';
import type { Sample } from './reader.js';

/** What samples can be told apart by: by a process or thread as a whole, or by any other label. */
export const GROUPINGS = ['process', 'thread'] as const;
export type Grouping = (typeof GROUPINGS)[number] | { readonly label: string };

const NOT_LABELLED = '(not labelled)';
/** Longest value of a label before it is cut. */
const MAX_VALUE = 100;

/** What tells a group apart, by the names that the labels have in the profile; a label that its samples lack is not there. */
export type GroupLabels = Record<string, string | number>;

/** The group of a sample: what tells it apart, and what names it. */
export function groupOf(labels: Sample['labels'], by: Grouping): { key: string; labels: GroupLabels } {
  const pick = (names: readonly string[]): GroupLabels => {
    return Object.fromEntries(names.filter((name) => labels.has(name)).map((name) => [name, labels.get(name)!]));
  };
  if (typeof by !== 'string') return { key: JSON.stringify([labels.get(by.label)]), labels: pick([by.label]) };
  const process = ['process id', 'cluster worker id'];
  const identity = by === 'process' ? ['process id'] : ['process id', 'thread id'];
  return { key: JSON.stringify(pick(identity)), labels: pick(by === 'process' ? process : [...process, 'thread id', 'thread name']) };
}

/**
 * Who the samples of a group are from, as its labels say.
 *
 * @param by `process`, `thread`, or the name of the label that they were told apart by
 */
export function groupName(labels: GroupLabels, by: string | undefined): string {
  if (isLabel(by)) return valueOf(labels, by);
  const worker = labels['cluster worker id'];
  const thread = labels['thread id'];
  const process = labels['process id'];
  const parts = [];
  if (thread !== undefined) parts.push(`thread ${thread}${labels['thread name'] === undefined ? '' : ` ${labels['thread name']}`}`);
  if (process !== undefined) parts.push(`process ${process}${worker === undefined ? '' : ` (cluster worker ${worker})`}`);
  return printable(parts.join(', ')) || NOT_LABELLED;
}

/** The same without ids of the operating system, which no two runs share: what a comparison can match. */
export function groupRole(labels: GroupLabels, by: string | undefined): string {
  if (isLabel(by)) return valueOf(labels, by);
  const worker = labels['cluster worker id'];
  const process = worker === undefined ? 'not a cluster worker' : `cluster worker ${worker}`;
  if (labels['thread id'] === undefined) return process;
  return printable(`thread ${labels['thread name'] ?? '(not named)'}${worker === undefined ? '' : `, ${process}`}`);
}

/** A grouping as people write it. */
export function nameOfGrouping(by: Grouping): string;
export function nameOfGrouping(by: Grouping | undefined): string | undefined;
export function nameOfGrouping(by: Grouping | undefined): string | undefined {
  return typeof by === 'object' ? by.label : by;
}

function isLabel(by: string | undefined): by is string {
  return by !== undefined && !GROUPINGS.includes(by as (typeof GROUPINGS)[number]);
}

function valueOf(labels: GroupLabels, label: string): string {
  const value = labels[label];
  return value === undefined ? NOT_LABELLED : cutMiddle(printable(String(value)), MAX_VALUE);
}
