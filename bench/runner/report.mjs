// Writes what was measured: the goals, one table of everything, remarks.
import { contenders, titleOf } from '../contenders/index.mjs';
import { change, number } from './format.mjs';
import { markdownTable } from './markdown.mjs';

/** A figure as median and spread. */
function cellOf(metric, major, contender) {
  const failure = metric.failureOf(major, contender);
  const { median, least, greatest, count } = metric.spread(major, contender);
  if (count === 0) return failure === undefined ? '—' : `failed: ${failure}`;
  const middle = number(median, metric.digits);
  const shown = count === 1 ? middle : `${middle} (${number(least, metric.digits)}–${number(greatest, metric.digits)})`;
  return failure === undefined ? shown : `${shown}, some failed`;
}

function rowsOf(metric) {
  return metric.majors.map((major, index) => {
    const best = metric.toBestPeer(major);
    return [
      index === 0 ? `${metric.name}${metric.unit === '' ? '' : `, ${metric.unit}`}` : '',
      String(major),
      ...contenders.map(({ name }) => cellOf(metric, major, name)),
      metric.toNothing ? change(metric.toNothingOf(major)) : '—',
      best?.ratio === undefined ? '—' : `${number(best.ratio)} × ${titleOf(best.name)}`,
    ];
  });
}

function goalTable(goals, majors) {
  const sign = { true: '✓', false: '✗', undefined: '·' };
  const rows = goals.map(({ text, verdicts }) => [
    text,
    ...majors.map((major) => {
      const verdict = verdicts.find((each) => each.major === major);
      return verdict === undefined ? '' : `${sign[verdict.met]} ${verdict.figure}`;
    }),
  ]);
  return markdownTable(['goal', ...majors.map((major) => `Node ${major}`)], rows);
}

/** Of which differences to the program alone this holds: metrics, and the Node versions of each. */
function differences(metrics, holds) {
  return metrics
    .filter(({ toNothing }) => toNothing)
    .flatMap((metric) => {
      const majors = metric.majors.filter((major) => holds(metric.toNothingOf(major)));
      return majors.length === 0 ? [] : [`${metric.name} (Node ${majors.join(', ')})`];
    })
    .join('; ');
}

/** Which differences are none that this run could tell: their interval has 0 in it, or there are too few pairs for one. */
function untold(metrics) {
  const within = differences(metrics, ({ low, high }) => low !== undefined && low <= 1 && high >= 1);
  const few = differences(metrics, ({ median, low }) => median !== undefined && low === undefined);
  return [
    ...(within === '' ? [] : [`The 95% interval of what pronghorn adds has nothing at all in it for: ${within}.`]),
    ...(few === '' ? [] : [`Too few pairs for an interval: ${few}.`]),
  ];
}

/**
 * @param {{ machine: object, command: string, majors: number[], missing: { major: number, name: string, reason: string }[], reports: object[], took: string, quick: boolean }} run
 * @returns {string} Markdown
 */
export function writeReport({ machine, command, majors, missing, reports, took, quick, installProblem }) {
  const metrics = reports.flatMap((each) => each.metrics);
  const goals = reports.flatMap((each) => each.goals ?? []);
  const notes = reports.flatMap((each) => each.notes ?? []);
  const sections = reports.flatMap((each) => each.sections ?? []);
  const unsure = untold(metrics);
  const parts = [
    '# Side by side',
    `Written by \`${command}\`, in ${took}. bench/README.md says what is run and how.${quick ? ' **A quick run: it shows that everything works; its figures prove nothing.**' : ''}`,
    `${machine.processors}; ${machine.memory}; ${machine.system}; ${machine.nodes}; ${machine.load}.`,
  ];
  if (installProblem !== undefined) parts.push(`**${installProblem}**`);
  if (missing.length > 0) parts.push(`Not measured: ${missing.map(({ major, name, reason }) => `${titleOf(name)} on Node ${major} (${reason})`).join('; ')}.`);
  if (goals.length > 0) parts.push('## Goals', '✓ met, ✗ not met, · no figure.', goalTable(goals, majors));
  if (metrics.length > 0) {
    parts.push(
      '## All figures',
      'Median (least–greatest) of the rounds; what pronghorn adds to nothing, as the median of the pairs with its 95% bootstrap interval; and pronghorn by the best peer.',
      markdownTable(['what', 'Node', ...contenders.map(({ title }) => title), 'pronghorn to nothing', 'to the best peer'], metrics.flatMap(rowsOf)),
    );
  }
  for (const { title, text } of sections) parts.push(`## ${title}`, ...text);
  if (notes.length > 0) parts.push('## Remarks', notes.map((note) => `- ${note}`).join('\n'));
  if (unsure.length > 0) parts.push('## Not told from noise', ...unsure);
  return `${parts.join('\n\n')}\n`;
}
